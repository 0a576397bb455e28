"""The book: a machine that drives it at random, and by hand what deserves a sentence of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.core.agenda import Agenda
from supervisor.core.book import Book, Cancelled
from supervisor.core.capacity import Capacity
from supervisor.core.dealer import BatchPolicy
from supervisor.core.entry import Death, Entry, Lease, Worker
from supervisor.core.kind import Defaults, Kinds
from supervisor.core.moment import Moment
from supervisor.core.pace import Pace
from supervisor.states import Cause, State
from supervisor.wire.messages import ErrorData, Hello, Outcome, Report, Submission
from supervisor.wire.options import NO_OPTIONS, Options
from tests.support.bookmachine import BookMachine

NOW = Moment(1000.0, 1_700_000_000.0)
ALL = 2**62

TestTheBookDrivenAtRandom = BookMachine.TestCase
TestTheBookDrivenAtRandom.settings = settings(max_examples=120, stateful_step_count=40)


class Desk:
    """A book with short words for what happens to it."""

    def __init__(self, *, limit: int = 100_000, size: int = 16, short: str = "short", **defaults: float) -> None:
        self.book = Book(Agenda(Kinds(Defaults(**defaults)), Capacity(limit)), BatchPolicy(size, 0.002))  # type: ignore[arg-type]
        self.book.dealer.pace.saw(short, 1e-6)
        self.made = 0

    def submit(
        self, name: str = "short", *, delay: float = 0.0, generation: int = 1, options: Options = NO_OPTIONS
    ) -> Entry:
        self.made += 1
        task_id = self.made.to_bytes(16, "big")
        entry = self.book.agenda.submit(Submission(task_id, name, b"", options, delay, generation), NOW)
        assert entry is not None
        return entry

    def worker(self, number: int = 1, generation: int = 1, most: int = 16) -> Worker:
        worker = self.book.hello(Hello(number, number, 1000 + number, generation))
        self.book.ask(worker, most, NOW)
        return worker

    def hand_out(self, now: Moment = NOW) -> list[Lease]:
        return [lease for handout in self.book.assign(now) for lease in handout.leases]

    def run(self, *names: str) -> tuple[Worker, list[Lease]]:
        """A worker that holds these tasks, all in one batch."""
        for name in names:
            self.submit(name)
        worker = self.worker()
        leases = self.hand_out()
        assert len(leases) == len(names)
        return worker, leases

    def complete(self, worker: Worker, lease: Lease, outcome: Outcome = Outcome.SUCCEEDED) -> bool:
        error = None if outcome is Outcome.SUCCEEDED else ErrorData("ValueError", "no")
        return self.book.complete(worker, Report(lease.number, outcome, b"", error), NOW)


def ids(tasks: Iterable[Entry | Lease]) -> list[int]:
    entries = [task.entry if isinstance(task, Lease) else task for task in tasks]
    return [int.from_bytes(entry.id, "big") for entry in entries]


# -- who gets what ----------------------------------------------------------------------------------------------


def test_tasks_leave_in_the_order_of_arrival_the_higher_priority_first() -> None:
    desk = Desk()
    low = [desk.submit() for _ in range(3)]
    high = [desk.submit(options=Options(priority=5)) for _ in range(3)]
    desk.worker()
    assert ids(desk.hand_out()) == ids([*high, *low])


def test_older_code_never_gets_newer_tasks_and_is_not_held_up_by_them() -> None:
    desk = Desk()
    desk.submit(generation=2)
    older = desk.submit(generation=1)
    desk.worker(generation=1)
    assert ids(desk.hand_out()) == ids([older])


def test_newer_code_takes_the_tasks_of_every_generation_in_the_order_of_arrival() -> None:
    desk = Desk()
    tasks = [desk.submit(generation=generation) for generation in (2, 1, 3, 1, 2)]
    desk.worker(generation=3)
    assert ids(desk.hand_out()) == ids(tasks)


def test_a_promoted_worker_takes_what_it_was_refused() -> None:
    desk = Desk()
    task = desk.submit(generation=2)
    desk.worker(generation=1)
    assert not desk.hand_out()
    desk.book.promote(2)
    assert ids(desk.hand_out()) == ids([task])


def test_a_deep_queue_that_is_gone_leaves_nothing_of_its_size() -> None:
    desk = Desk()
    agenda = desk.book.agenda
    kept = desk.submit()
    empty = sys.getsizeof(agenda.tasks)
    deep = [desk.submit() for _ in range(60_000)]
    agenda.shrink()
    assert sys.getsizeof(agenda.tasks) > 1000 * empty, "in use"
    for entry in deep:
        desk.book.cancel(entry.id, NOW)
    assert sys.getsizeof(agenda.tasks) > 1000 * empty
    agenda.shrink()
    assert sys.getsizeof(agenda.tasks) < 10 * empty
    assert list(agenda.tasks.values()) == [kept]


def test_a_draining_book_hands_nothing_out_and_goes_on_where_it_was() -> None:
    desk = Desk()
    task = desk.submit()
    desk.worker()
    desk.book.draining = True
    assert not desk.hand_out()
    desk.book.draining = False
    assert ids(desk.hand_out()) == ids([task])


def test_short_tasks_are_shared_out_evenly_among_the_workers_that_wait() -> None:
    desk = Desk(size=4)
    for _ in range(7):
        desk.submit()
    for number in (1, 2, 3):
        desk.worker(number)
    assert [len(handout.leases) for handout in desk.book.assign(NOW)] == [2, 2, 3]


@pytest.mark.parametrize(("name", "seconds"), [("unknown", None), ("long", 1.0), ("middling", 0.0019)])
def test_a_task_that_is_not_known_to_be_short_is_handed_out_alone(name: str, seconds: float | None) -> None:
    desk = Desk()
    if seconds is not None:
        desk.book.dealer.pace.saw(name, seconds)
    tasks = [desk.submit(name), desk.submit(name), desk.submit()]
    desk.worker()
    assert ids(desk.hand_out()) == ids(tasks[:1])


def test_a_batch_ends_before_a_long_task_and_holds_no_more_than_was_asked_for() -> None:
    desk = Desk()
    tasks = [desk.submit(), desk.submit(), desk.submit("long")]
    worker = desk.worker()
    assert ids(desk.hand_out()) == ids(tasks[:2])
    for lease in list(worker.leases):
        desk.complete(worker, lease)
    desk.complete(desk.worker(), desk.hand_out()[0])
    tasks = [desk.submit() for _ in range(5)]
    desk.worker(most=3)
    assert ids(desk.hand_out()) == ids(tasks[:3])


def test_the_deadline_runs_from_the_claim_and_a_task_without_limit_has_none() -> None:
    desk = Desk()
    desk.submit(options=Options(timeout=5.0))
    desk.submit(options=Options(timeout=None))
    desk.worker()
    assert [lease.deadline_ns for lease in desk.hand_out()] == [1_005_000_000_000, 0]


def test_a_full_book_says_so_for_as_many_as_would_be_too_many() -> None:
    desk = Desk(limit=3)
    desk.submit()
    desk.submit(delay=60)
    assert desk.book.agenda.capacity.lacking(["default"]) is None
    assert desk.book.agenda.capacity.lacking(["default"] * 2)
    desk.submit()
    assert desk.book.agenda.capacity.lacking(["default"])
    desk.book.cancel((1).to_bytes(16, "big"), NOW)
    assert desk.book.agenda.capacity.lacking(["default"]) is None


# -- what goes back ---------------------------------------------------------------------------------------------


def test_what_a_worker_never_began_goes_back_to_the_head_of_its_line_in_the_old_order() -> None:
    desk = Desk()
    worker, leases = desk.run(*["short"] * 5)
    desk.complete(worker, leases[0])
    newcomer = desk.submit()
    desk.book.ask(worker, 2, NOW)
    assert ids(desk.hand_out()) == ids(leases[1:3])
    assert desk.book.die(worker.number, 0, Death(Cause.SHUTDOWN), NOW) is worker
    desk.worker(2)
    assert ids(desk.hand_out()) == ids([*leases[1:5], newcomer])


def test_taking_back_leaves_the_worker_what_it_has_begun() -> None:
    desk = Desk()
    worker, leases = desk.run(*["short"] * 4)
    assert desk.book.revoke(worker, leases[2].number, NOW) == 2
    assert list(worker.leases) == leases[:2]
    desk.worker(2)
    assert ids(desk.hand_out()) == ids(leases[2:])


def test_a_task_given_back_counts_no_attempt_however_often() -> None:
    desk = Desk()
    task = desk.submit()
    for number in range(1, 20):
        worker = desk.worker(number)
        (lease,) = desk.hand_out()
        desk.book.die(worker.number, 0, Death(Cause.SHUTDOWN), NOW)
        assert (task.attempts, task.state, task.lease) == (0, State.QUEUED, lease.number)
    assert not desk.book.agenda.take_changes(NOW).attempts


def test_a_lease_that_was_answered_for_cannot_be_taken_back() -> None:
    desk = Desk()
    worker, leases = desk.run("short", "short")
    desk.complete(worker, leases[0])
    assert desk.book.revoke(worker, 0, NOW) == 1
    assert ids(desk.book.agenda.tasks.values()) == ids(leases[1:])


# -- how attempts end -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", [Cause.SIGNAL, Cause.EXIT, Cause.MEMORY])
def test_a_task_that_kills_its_process_runs_as_often_as_the_crash_budget_says(cause: Cause) -> None:
    desk = Desk(crash_budget=3, max_retries=0)
    task = desk.submit()
    for attempt in (1, 2, 3):
        assert task.state is State.QUEUED
        worker = desk.worker(attempt)
        (lease,) = desk.hand_out()
        desk.book.die(worker.number, lease.number, Death(cause, "it died", "a stack"), NOW)
    assert (task.state, task.counts.crashes, task.counts.failures) == (State.LOST, 3, 0)
    attempts = desk.book.agenda.take_changes(NOW).attempts
    assert [(attempt.number, attempt.failure.cause, attempt.failure.stack) for attempt in attempts] == [
        (1, cause, "a stack"),
        (2, cause, "a stack"),
        (3, cause, "a stack"),
    ]


def test_deaths_of_the_whole_tree_have_a_larger_budget_of_their_own() -> None:
    desk = Desk(crash_budget=1, max_retries=0, abort_budget=10)
    task = desk.submit()
    for number in range(1, 11):
        assert task.state is State.QUEUED
        desk.worker(number)
        desk.hand_out()
        desk.book.die(number, ALL, Death(Cause.ABORT), NOW)
    assert (task.state, task.counts.aborts, task.counts.crashes, task.counts.failures) == (State.LOST, 10, 0, 0)


def test_a_failed_task_waits_its_retry_delay_and_runs_once_more_than_it_may_be_retried() -> None:
    desk = Desk(max_retries=2, retry_delay=1.5, backoff=1.0, retry_jitter=0.0)
    task, now = desk.submit(), NOW
    for _ in range(2):
        worker = desk.worker()
        (lease,) = desk.hand_out(now)
        desk.book.complete(worker, Report(lease.number, Outcome.RAISED, b"", ErrorData("E", "m", "t")), now)
        assert task.state is State.RETRYING
        assert desk.book.agenda.next_due(now) == now.mono + 1.5
        assert task.due == Moment(now.mono + 1.5, now.wall + 1.5)
        now = Moment(now.mono + 1.5, now.wall + 1.5)
        desk.book.agenda.tick(now)
        assert desk.book.unfinished() == {"queued": 1}
        assert task.due is None
    worker = desk.worker()
    (lease,) = desk.hand_out(now)
    desk.complete(worker, lease, Outcome.RAISED)
    assert (task.state, task.counts.failures) == (State.FAILED, 3)


def test_a_timeout_counts_as_a_failure_and_is_named_in_the_end() -> None:
    desk = Desk(max_retries=1, retry_delay=0.0, retry_jitter=0.0)
    task = desk.submit()
    for number in (1, 2):
        desk.worker(number)
        (lease,) = desk.hand_out()
        desk.book.fence(lease.number, Cause.TIMEOUT)
        desk.book.die(number, lease.number, Death(Cause.SIGNAL, "SIGKILL"), NOW)
    assert (task.state, task.counts.failures, task.counts.crashes) == (State.TIMED_OUT, 2, 0)


def test_when_a_worker_dies_the_task_it_ran_is_charged_and_those_after_it_are_not() -> None:
    desk = Desk()
    worker, leases = desk.run(*["short"] * 4)
    desk.complete(worker, leases[0])
    desk.book.die(worker.number, leases[1].number, Death(Cause.SIGNAL), Moment(NOW.mono + 1, NOW.wall + 1))
    assert [lease.entry.counts.crashes for lease in leases] == [0, 1, 0, 0]
    desk.worker(2)
    assert ids(desk.hand_out()) == ids([*leases[2:], leases[1]])


def test_a_task_that_kills_the_worker_on_its_way_in_is_charged_though_it_never_began() -> None:
    desk = Desk()
    worker, leases = desk.run("short", "short")
    desk.book.die(worker.number, 0, Death(Cause.EXIT), NOW)
    assert [lease.entry.counts.crashes for lease in leases] == [1, 0]


# -- fences -----------------------------------------------------------------------------------------------------


def test_a_completion_behind_the_fence_does_not_count_and_the_worker_gets_no_more() -> None:
    desk = Desk()
    worker, (lease,) = desk.run("short")
    desk.book.fence(lease.number, Cause.TIMEOUT)
    assert not desk.complete(worker, lease)
    desk.submit()
    assert desk.book.ask(worker, 16, NOW) == 0
    assert not desk.hand_out()
    desk.book.die(worker.number, lease.number, Death(Cause.TIMEOUT), NOW)
    assert (lease.entry.state, lease.entry.counts.failures) == (State.RETRYING, 1)


def test_when_a_kill_is_called_off_what_the_worker_said_meanwhile_counts_and_it_works_on() -> None:
    desk = Desk()
    worker, (lease,) = desk.run("short")
    desk.book.fence(lease.number, Cause.TIMEOUT)
    assert not desk.complete(worker, lease)
    desk.book.ask(worker, 16, NOW)
    more = desk.submit()
    assert desk.book.spare(lease.number, NOW)
    assert lease.entry.state is State.SUCCEEDED
    assert ids(desk.hand_out()) == ids([more])


def test_when_a_kill_is_called_off_before_the_worker_said_anything_its_word_counts_later() -> None:
    desk = Desk()
    worker, (lease,) = desk.run("short")
    desk.book.fence(lease.number, Cause.TIMEOUT)
    assert not desk.book.spare(lease.number, NOW)
    assert desk.complete(worker, lease)
    assert not desk.book.spare(lease.number, NOW)
    assert desk.book.fence(lease.number, Cause.TIMEOUT) is None


def test_a_fenced_lease_is_not_taken_back_for_the_kill_decides_what_becomes_of_it() -> None:
    desk = Desk()
    worker, (lease,) = desk.run("short")
    desk.book.fence(lease.number, Cause.TIMEOUT)
    assert desk.book.revoke(worker, 0, NOW) == 0
    assert list(worker.leases) == [lease]


# -- cancelling -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.QUEUED, State.SCHEDULED, State.RETRYING])
def test_a_task_that_waits_is_cancelled_at_once_and_never_starts(state: State) -> None:
    desk = Desk()
    if state is State.RETRYING:
        worker, (lease,) = desk.run("short")
        desk.complete(worker, lease, Outcome.RAISED)
        task = lease.entry
    else:
        task = desk.submit(delay=5.0 if state is State.SCHEDULED else 0.0)
    assert task.state is state
    assert desk.book.cancel(task.id, NOW) == (Cancelled.REMOVED, None)
    desk.book.agenda.tick(Moment(NOW.mono + 100, NOW.wall + 100))
    desk.worker(2)
    assert not desk.hand_out()
    assert (task.state, desk.book.agenda.next_due(NOW), len(desk.book.agenda.waiting.ready)) == (
        State.CANCELLED,
        None,
        0,
    )
    assert desk.book.agenda.take_changes(NOW).attempts[-1].failure.cause is Cause.CANCELLED
    assert desk.book.cancel(task.id, NOW) == (Cancelled.UNKNOWN, None)


@pytest.mark.parametrize(
    ("ending", "state"),
    [
        (Outcome.SUCCEEDED, State.SUCCEEDED),
        (Outcome.CANCELLED, State.CANCELLED),
        (Outcome.RAISED, State.CANCELLED),
        (Cause.SIGNAL, State.CANCELLED),
        (Cause.SHUTDOWN, State.CANCELLED),
        (Cause.ABORT, State.CANCELLED),
    ],
)
def test_a_cancelled_task_that_runs_ends_once_and_is_not_run_again(ending: Outcome | Cause, state: State) -> None:
    desk = Desk()
    worker, (lease,) = desk.run("short")
    assert desk.book.cancel(lease.entry.id, NOW) == (Cancelled.STOPPING, lease)
    assert lease.entry.state is State.RUNNING
    if isinstance(ending, Outcome):
        assert desk.complete(worker, lease, ending)
    else:
        desk.book.die(worker.number, lease.number, Death(ending), NOW)
    assert (lease.entry.state, len(desk.book.agenda.tasks)) == (state, 0)


def test_a_cancelled_task_that_its_worker_never_began_ends_as_cancelled_and_not_back_in_the_line() -> None:
    desk = Desk()
    worker, leases = desk.run("short", "short")
    desk.book.cancel(leases[1].entry.id, NOW)
    desk.book.agenda.take_changes(NOW)
    assert desk.book.revoke(worker, leases[1].number, NOW) == 1
    assert leases[1].entry.state is State.CANCELLED
    (attempt,) = desk.book.agenda.take_changes(NOW).attempts
    assert (attempt.seq, attempt.number, attempt.failure.cause) == (leases[1].entry.seq, 0, Cause.CANCELLED)


def test_an_error_of_cancelling_that_nobody_asked_for_is_an_exception() -> None:
    desk = Desk()
    worker, (lease,) = desk.run("short")
    desk.complete(worker, lease, Outcome.CANCELLED)
    assert (lease.entry.state, lease.entry.counts.failures) == (State.RETRYING, 1)


@pytest.mark.parametrize("delay", [0.0, 60.0])
def test_what_was_cancelled_by_the_thousand_is_not_kept_in_memory(delay: float) -> None:
    desk = Desk()
    kept = [desk.submit(delay=delay) for _ in range(3)]
    for _ in range(20_000):
        desk.book.cancel(desk.submit(delay=delay).id, NOW)
        if not len(desk.book.agenda.changes.ended) % 1000:
            desk.book.agenda.take_changes(NOW)
    heap = desk.book.agenda.waiting.later._heap
    queues = desk.book.agenda.waiting.ready.queues.values()
    assert len(heap) + sum(len(queue.of(0)) for queue in queues) < 3000
    assert len(desk.book.agenda.waiting.ready) == (0 if delay else 3)
    desk.book.agenda.tick(Moment(NOW.mono + 61, NOW.wall + 61))
    desk.worker()
    assert ids(desk.hand_out()) == ids(kept)


# -- the parts --------------------------------------------------------------------------------------------------


def test_a_delay_is_kept_to_the_tick_and_what_is_due_leaves_in_the_order_of_its_time() -> None:
    desk = Desk()
    late, soon = desk.submit(delay=2.0), desk.submit(delay=1.0)
    assert desk.book.agenda.next_due(NOW) == NOW.mono + 1.0
    desk.book.agenda.tick(Moment(NOW.mono + 0.999, NOW.wall))
    assert not len(desk.book.agenda.waiting.ready)
    desk.book.agenda.tick(Moment(NOW.mono + 2.0, NOW.wall + 2.0))
    desk.worker()
    assert ids(desk.hand_out()) == ids([soon, late])


def test_the_tasks_of_one_name_and_one_set_of_options_share_one_kind() -> None:
    kinds = Kinds(Defaults())
    assert kinds.get("a", Options(priority=1)) is kinds.get("a", Options(priority=1))
    assert kinds.get("a", Options(priority=1)) is not kinds.get("a", Options(priority=2))
    for number in range(10_001):
        kinds.get(f"task {number}", NO_OPTIONS)
    assert kinds.get("a", NO_OPTIONS).name == "a"
    assert len(kinds._known) < 10_000, "names that never come again do not fill the memory"


def test_options_left_open_follow_the_settings_and_chosen_ones_do_not() -> None:
    kinds = Kinds(Defaults(timeout=9.0, soft_timeout=8.0, max_retries=1, memory_limit=5))
    open_ = kinds.get("a", NO_OPTIONS)
    assert (open_.timeout, open_.soft_timeout, open_.max_retries, open_.memory_limit) == (9.0, 8.0, 1, 5)
    chosen = kinds.get("a", Options(timeout=None, soft_timeout=None, max_retries=0, memory_limit=None))
    assert (chosen.timeout, chosen.soft_timeout, chosen.max_retries, chosen.memory_limit) == (None, None, 0, None)
    assert kinds.get("a", Options(timeout=8.0)).soft_timeout is None, "the hard limit comes first anyway"


@given(st.lists(st.floats(0, 100), min_size=1))
def test_the_expected_pace_stays_between_the_extremes_and_is_never_below_the_last(seconds: list[float]) -> None:
    pace = Pace()
    assert pace.expected("a") == float("inf")
    for each in seconds:
        pace.saw("a", each)
        assert pace.expected("a") >= each - 1e-9
    assert min(seconds) - 1e-9 <= pace.expected("a") <= max(seconds) + 1e-9


def test_a_moment_knows_one_clock_by_the_other() -> None:
    assert NOW.mono_at(NOW.wall_at(1234.5)) == 1234.5
    assert NOW.wall_at(NOW.mono + 2) == NOW.wall + 2
    now = Moment.now()
    assert Moment.now().mono >= now.mono
