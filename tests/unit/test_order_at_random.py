"""Order, limits, rates, unique keys and expiry hold whatever happens, kills and restarts included."""

from __future__ import annotations

from hypothesis import settings

from tests.support.ordermachine import OrderMachine, StrictOrderMachine

TestOrderAtRandom = OrderMachine.TestCase
TestOrderAtRandom.settings = settings(stateful_step_count=40)
TestStrictOrderAtRandom = StrictOrderMachine.TestCase
TestStrictOrderAtRandom.settings = settings(stateful_step_count=40)
