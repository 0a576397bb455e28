"""Schedules: exact under clock jumps, restarts, outages and everything at once."""

from __future__ import annotations

from hypothesis import settings

from tests.support.schedulemachine import ScheduleMachine

TestSchedules = ScheduleMachine.TestCase
TestSchedules.settings = settings(max_examples=60, stateful_step_count=30)
