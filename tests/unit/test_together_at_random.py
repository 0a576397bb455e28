"""No child runs too early, none waits for ever, a callback runs once, whatever happens, restarts included."""

from __future__ import annotations

from hypothesis import settings

from tests.support.togethermachine import TogetherMachine

TestTogetherAtRandom = TogetherMachine.TestCase
TestTogetherAtRandom.settings = settings(stateful_step_count=40)
