"""Schedules: exact under clock jumps, restarts, outages and everything at once."""

from __future__ import annotations

from hypothesis import settings

from supervisor.core.moment import Moment
from supervisor.core.plan import Misfire, Overlap, Plan
from supervisor.core.schedules import Schedules
from supervisor.core.slots import Timing
from supervisor.wire.messages import Submission
from tests.support.schedulemachine import ScheduleMachine

TestSchedules = ScheduleMachine.TestCase
TestSchedules.settings = settings(max_examples=60, stateful_step_count=30)


class Desk:
    """Has no room for some, and refuses others."""

    def __init__(self) -> None:
        self.full: set[str] = set()
        self.refused: set[str] = set()
        self.taken: list[str] = []

    def submit(self, submission: Submission) -> bytes | None:
        if submission.name in self.full:
            return None
        if submission.name in self.refused:
            return b""
        self.taken.append(submission.name)
        return submission.id

    def unfinished(self, task_id: bytes) -> bool:
        return False

    def say(self, sentence: str) -> None: ...


def plan(name: str, every: int) -> Plan:
    return Plan(name, Timing(every=every), Submission(bytes(16), name, b""), Misfire.ALL, None, Overlap.SKIP)


def run(schedules: Schedules, desk: Desk, now: Moment, seconds: float) -> Moment:
    """The broker's loop: it sleeps until something is due."""
    end = now.mono + seconds
    while (due := schedules.next_due(now)) is not None and due <= end:
        assert due > now.mono, "it does not spin"
        now = Moment(due, now.wall + due - now.mono)
        schedules.tick(now, desk)
    return Moment(end, now.wall + end - now.mono)


def test_a_full_queue_holds_back_its_own_schedules_only() -> None:
    schedules, desk, now = Schedules(), Desk(), Moment(1000.0, 1e9)
    schedules.declare([plan("mails", 300), plan("others", 100)], 1, now)
    desk.full = {"mails"}
    now = run(schedules, desk, now, 2.05)
    assert desk.taken == ["others"] * 20
    desk.full.clear()
    now = run(schedules, desk, now, 1.0)
    assert desk.taken.count("mails") == 10, "each of them, now that there is room"
    assert desk.taken.count("others") == 30


def test_one_that_is_held_back_is_left_alone_when_it_is_paused_or_gone() -> None:
    schedules, desk, now = Schedules(), Desk(), Moment(1000.0, 1e9)
    schedules.declare([plan("a", 300), plan("b", 300)], 1, now)
    desk.full = {"a", "b"}
    now = run(schedules, desk, now, 0.5)
    schedules.pause("a")
    schedules.declare([plan("a", 300)], 2, now)
    assert schedules.next_due(now) is None
    now = run(schedules, desk, now, 5.0)
    desk.full.clear()
    schedules.resume("a", now)
    run(schedules, desk, now, 1.05)
    assert desk.taken == ["a"] * 3


def test_a_slot_whose_task_is_refused_for_good_is_over_and_no_task_stands_for_it() -> None:
    schedules, desk, now = Schedules(), Desk(), Moment(1000.0, 1e9)
    schedules.declare([plan("a", 100)], 1, now)
    desk.refused = {"a"}
    now = run(schedules, desk, now, 0.35)
    (row,) = schedules.rows()
    assert (row.last_slot, row.last_task, row.next_slot) == (None, None, 10**12 + 400)
    desk.refused.clear()
    run(schedules, desk, now, 0.1)
    (row,) = schedules.rows()
    assert row.last_slot == 10**12 + 400
