"""Retries, questions after kills, restarts and taking up again, at random and in every short sequence."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import HealthCheck, settings

from supervisor.states import Cause, State
from supervisor.wire.options import Options
from tests.support.retrymachine import FAILURES, KILLS, RetryMachine

TestRetriesAtRandom = RetryMachine.TestCase
TestRetriesAtRandom.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)

DEEDS = (*FAILURES, *KILLS)


@pytest.mark.parametrize(
    ("handler", "retries", "crashes"), [(True, 0, 2), (True, 1, 1), (True, 1, 2), (False, 1, 2), (False, 0, 1)]
)
def test_every_short_life(handler: bool, retries: int, crashes: int) -> None:
    """Each sequence of three things that can happen to whatever is handed out, run or question; the machine checks."""
    options = Options(
        error_handler=handler, max_retries=retries, crash_budget=crashes, retry_delay=0.0, retry_jitter=0.0
    )
    ends = set()
    for deeds in product(DEEDS, repeat=3):
        machine = RetryMachine()
        machine.begin()
        machine.submit(options, 1)
        (model,) = machine.models.values()
        for deed in deeds:
            machine.wait(1.0)
            if model.state.ended:
                break
            if isinstance(deed, Cause):
                machine.kill(0, deed)
            else:
                machine.report(0, deed, None)
            machine.the_book_agrees()
        machine.the_journal_agrees()
        ends.add(model.state)
        machine.journal.close()
    assert {State.FAILED, State.TIMED_OUT, State.LOST} <= ends
