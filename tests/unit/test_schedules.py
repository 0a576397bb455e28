"""Schedules: exact under clock jumps, restarts, outages and everything at once."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import settings

from supervisor.core.missed import MissCause, Missed
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
        self.running = False
        self.said: list[str] = []

    def submit(self, submission: Submission) -> bytes | None:
        if submission.name in self.full:
            return None
        if submission.name in self.refused:
            return b""
        self.taken.append(submission.name)
        return submission.id

    def unfinished(self, task_id: bytes) -> bool:
        return self.running

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


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
    schedules.pause("a", now)
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


# -- missed ------------------------------------------------------------------------------------------------------

BEGIN = 10**12
DAY = 86_400_000


def minutely(misfire: Misfire = Misfire.ONCE, grace: int | None = None, timing: Timing | None = None) -> Plan:
    timing = timing or Timing(every=60_000, start=BEGIN)
    return Plan("a", timing, Submission(bytes(16), "a", b""), misfire, grace, Overlap.SKIP)


def begun(plan: Plan) -> tuple[Schedules, Desk, Moment]:
    """A schedule that has just fired for the first time."""
    schedules, desk, now = Schedules(), Desk(), Moment(1000.0, BEGIN / 1000)
    schedules.declare([plan], 1, now)
    schedules.tick(now, desk)
    return schedules, desk, now


def later(now: Moment, seconds: float, *, clock: float | None = None) -> Moment:
    """After so many seconds, in which the clock went on by as much, or was set."""
    return Moment(now.mono + seconds, now.wall + (seconds if clock is None else clock))


def missed(schedules: Schedules) -> Missed:
    (row,) = schedules.rows()
    return row.missed


@pytest.mark.parametrize(
    ("misfire", "grace", "count", "last"),
    [
        (Misfire.ONCE, None, 9, 9),
        (Misfire.ONCE, 10_000, 10, 10),
        (Misfire.SKIP, 30_000, 9, 9),
        (Misfire.SKIP, 10_000, 10, 10),
        (Misfire.ALL, None, 0, None),
        (Misfire.ALL, 150_000, 7, 7),
    ],
)
def test_what_a_misfire_policy_does_not_run_is_missed(
    misfire: Misfire, grace: int | None, count: int, last: int | None
) -> None:
    plan = minutely(misfire, grace)
    schedules, desk, now = begun(plan)
    schedules.tick(later(now, 620.0), desk)
    slot = None if last is None else BEGIN + last * 60_000
    assert missed(schedules) == Missed(count, last=slot, cause=MissCause.AWAY if count else None)
    assert len(desk.taken) == 11 - count
    said = [f"schedule a has missed {count} slots, since no supervisor ran or the clock was set forward"]
    assert desk.said == (said if count else [])


def test_slots_are_missed_for_an_overlap_for_a_refusal_and_for_want_of_room() -> None:
    schedules, desk, now = begun(minutely())
    desk.running = True
    now = run(schedules, desk, now, 180.0)
    assert missed(schedules) == Missed(3, last=BEGIN + 180_000, cause=MissCause.OVERLAP)
    desk.running = False
    desk.refused = {"a"}
    now = run(schedules, desk, now, 60.0)
    assert missed(schedules) == Missed(4, last=BEGIN + 240_000, cause=MissCause.REFUSED)
    desk.refused, desk.full = set(), {"a"}
    now = run(schedules, desk, now, 200.0)
    assert missed(schedules).count == 4, "they are held back: one of them will be run"
    desk.full = set()
    now = run(schedules, desk, now, 1.5)
    assert missed(schedules) == Missed(6, last=BEGIN + 360_000, cause=MissCause.HELD)
    assert desk.said[-1] == "schedule a has missed 2 slots, since there was no room for its tasks"


def test_what_goes_by_during_a_pause_is_not_missed_but_what_was_held_back_before_it_is() -> None:
    schedules, desk, now = begun(minutely())
    desk.full = {"a"}
    now = run(schedules, desk, now, 130.0)
    schedules.pause("a", now)
    schedules.pause("a", later(now, 60.0))
    assert missed(schedules) == Missed(2, last=BEGIN + 120_000, cause=MissCause.HELD)
    desk.full = set()
    now = later(now, 3600.0)
    schedules.resume("a", now)
    run(schedules, desk, now, 60.0)
    assert missed(schedules).count == 2
    assert desk.taken == ["a"] * 2


def test_a_clock_that_is_set_forward_by_mistake_takes_back_what_it_made_miss() -> None:
    schedules, desk, now = begun(minutely())
    now = later(now, 620.0)
    schedules.tick(now, desk)
    assert missed(schedules).count == 9
    now = later(now, 1.0, clock=30 * DAY / 1000)
    schedules.tick(now, desk)
    assert missed(schedules).count == 9 + 30 * 1440 - 1
    now = run(schedules, desk, now, 300.0)
    now = later(now, 30.0, clock=-30 * DAY / 1000)
    schedules.tick(now, desk)
    assert missed(schedules) == Missed(9 + 5, last=BEGIN + 900_000, cause=MissCause.AWAY), "those that have gone by"


def test_a_clock_that_begins_in_1970_makes_no_slot_be_missed_twice() -> None:
    schedules, desk, now = begun(minutely(timing=Timing(cron="* * * * *")))
    now = later(now, 620.0)
    schedules.tick(now, desk)
    before = missed(schedules)
    schedules.tick(later(now, 1.0, clock=-now.wall + 5.0), desk)
    schedules.tick(later(now, 70.0), desk)
    assert missed(schedules) == before


def test_of_an_expression_no_more_than_a_thousand_slots_are_counted_at_once() -> None:
    schedules, desk, now = begun(minutely(timing=Timing(cron="* * * * * *", zone="Europe/Berlin")))
    spent = process_time()
    schedules.tick(later(now, 30 * DAY / 1000), desk)
    assert process_time() - spent < 1.0
    assert missed(schedules) == Missed(1000, True, BEGIN + 30 * DAY - 1000, MissCause.AWAY)
    assert desk.said == [
        "schedule a has missed 1,000 slots or more, since no supervisor ran or the clock was set forward"
    ]


def test_with_other_times_the_count_begins_anew_and_with_the_same_it_does_not() -> None:
    schedules, desk, now = begun(minutely())
    now = later(now, 620.0)
    schedules.tick(now, desk)
    schedules.declare([minutely(Misfire.ALL)], 2, now)
    assert missed(schedules).count == 9
    schedules.declare([minutely(timing=Timing(every=30_000, start=BEGIN))], 3, now)
    assert missed(schedules) == Missed()
