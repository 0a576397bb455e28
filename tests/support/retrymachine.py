"""Tasks that fail in every way there is, driven at random through the book, the journal and restarts.

Beside them runs a model in words of its own: what each task has left, whether its handler is to be asked, and its
history. After every step the book, and what the journal would tell a client, must agree with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from supervisor.broker.__main__ import open_book
from supervisor.broker.restoring import fresh_entry_of
from supervisor.core.book import HANDLER_SECONDS, Book
from supervisor.core.entry import Death, Entry, Lease, Worker
from supervisor.core.moment import Moment
from supervisor.ids import new_id
from supervisor.journal.journal import Durability, Journal
from supervisor.journal.rows import Pieces
from supervisor.scoreboard import Scoreboard
from supervisor.settings import Settings
from supervisor.states import Cause, State
from supervisor.wire.messages import ErrorData, Hello, Outcome, Report, Submission
from supervisor.wire.options import Options

T = TypeVar("T")
SETTINGS = Settings(
    max_retries=1, retry_delay=2.0, retry_jitter=1.0, crash_budget=2, abort_budget=2, batch_size=1, timeout=60.0
)
OPTIONS = (
    Options(),
    Options(error_handler=True),
    Options(error_handler=True, max_retries=0),
    Options(error_handler=True, max_retries=3, retry_delay=0.0, retry_jitter=0.0),
    Options(error_handler=True, crash_budget=1),
    Options(error_handler=True, crash_budget=3, backoff=1.0, max_retries=2),
)
CRASHES = (Cause.SIGNAL, Cause.EXIT, Cause.MEMORY)
KILLS = (Cause.TIMEOUT, *CRASHES, Cause.SHUTDOWN, Cause.ABORT)
ANY = st.integers(0, 30)
BOARD = Scoreboard.create()
"""Of which the book looks at no more than the generation, 0."""
FAILURES = (Outcome.RAISED, Outcome.SOFT_TIMEOUT, Outcome.RETRY, Outcome.REJECTED)
OUTCOMES = (Outcome.SUCCEEDED, *FAILURES)


@dataclass
class Model:
    """What must be true of one task."""

    options: Options
    state: State = State.QUEUED
    failures: int = 0
    crashes: int = 0
    aborts: int = 0
    asking: Cause | None = None
    retried: int = 0
    history: list[tuple[int, str]] = field(default_factory=list)
    """(number, cause) of every attempt that ended."""
    late: bool = False
    """The next attempt waits for its time."""
    wait: tuple[float, float] = (0.0, 0.0)
    """At least and at most how long."""
    due: float = 0.0
    """When it may start."""

    @property
    def counted(self) -> int:
        return self.failures + self.crashes + self.aborts

    @property
    def uncounted(self) -> bool:
        """Whether its last attempt counts on no budget: it runs, has succeeded, or was cancelled as it ran."""
        runs = self.state is State.RUNNING and self.asking is None
        cut_off = self.state is State.CANCELLED and self.history[-1][0] > 0
        return runs or self.state is State.SUCCEEDED or cut_off

    def most(self, name: str) -> int:
        value = getattr(self.options, name)
        return int(value if isinstance(value, int) else getattr(SETTINGS, name))

    @property
    def spent(self) -> bool:
        """Whether one of its budgets is used up."""
        return (
            self.failures > self.most("max_retries")
            or self.crashes >= self.most("crash_budget")
            or self.aborts >= SETTINGS.abort_budget
        )

    def charge(self, cause: Cause) -> None:
        self.failures += cause not in (*CRASHES, Cause.ABORT, Cause.SHUTDOWN, Cause.CANCELLED)
        self.crashes += cause in CRASHES
        self.aborts += cause is Cause.ABORT

    def fails(self, cause: Cause, retry_in: float | None = None) -> None:
        """An attempt has ended."""
        self.history.append((self.counted + 1, cause.value))
        self.charge(cause)
        if cause is Cause.CANCELLED:
            self.state = State.CANCELLED
        elif cause is Cause.SHUTDOWN:
            self.state = State.QUEUED
        elif cause is Cause.REJECTED or self.spent:
            self.end(cause)
        elif self.options.error_handler and cause in (*CRASHES, Cause.TIMEOUT):
            self.state, self.asking = State.QUEUED, cause
        else:
            self.goes_on(cause, retry_in)

    def end(self, cause: Cause) -> None:
        lost = cause in (*CRASHES, Cause.ABORT)
        self.state = State.LOST if lost else State.TIMED_OUT if cause is Cause.TIMEOUT else State.FAILED
        self.asking = None

    def goes_on(self, cause: Cause, retry_in: float | None) -> None:
        self.asking = None
        low, high = self.delay()
        if retry_in is not None:
            low = high = retry_in
        elif cause in (*CRASHES, Cause.ABORT):
            low = high = 0.0
        self.wait = (low, high)
        self.state = State.RETRYING if high > 0 else State.QUEUED

    def delay(self) -> tuple[float, float]:
        options = self.options
        delay = options.retry_delay if isinstance(options.retry_delay, float) else SETTINGS.retry_delay
        factor = options.backoff if isinstance(options.backoff, float) else SETTINGS.backoff
        jitter = options.retry_jitter if isinstance(options.retry_jitter, float) else SETTINGS.retry_jitter
        low = delay * factor ** (self.failures - 1) if self.failures else 0.0
        return low, low + jitter

    def asked(self, *, again: bool, retry_in: float | None) -> None:
        """The handler has answered."""
        cause = self.asking
        assert cause is not None
        if again:
            self.goes_on(cause, retry_in)
        else:
            self.end(cause)

    def asking_fails(self, cause: Cause) -> None:
        """Whoever asked is dead."""
        asking = self.asking
        assert asking is not None
        outside = cause in (Cause.SHUTDOWN, Cause.ABORT, Cause.CANCELLED)
        self.history.append((self.counted + 1 if outside else 0, cause.value))
        if cause is Cause.CANCELLED:
            self.state, self.asking = State.CANCELLED, None
        elif not outside:
            self.goes_on(asking, None)
        else:
            self.charge(cause)
            self.state = State.QUEUED
            if self.spent:
                self.end(cause)


class RetryMachine(RuleBasedStateMachine):
    """A few workers, and tasks that fail."""

    def __init__(self) -> None:
        super().__init__()
        self.now = Moment(1000.0, 1e9)
        self.board = BOARD
        self.journal = Journal(Path("unused"), Durability.OFF)
        self.book: Book = open_book(self.journal, SETTINGS, self.board, self.now)
        self.models: dict[bytes, Model] = {}
        self.number = 0

    # -- help --------------------------------------------------------------------------------------------------

    def commit(self) -> None:
        """A turn ends: hand out, write."""
        self.book.agenda.tick(self.now)
        for entry in self.entries():
            model = self.models[entry.id]
            if model.state is State.RETRYING and entry.state is State.QUEUED:
                assert self.now.mono >= model.due, "not before its time"
                model.state = State.QUEUED
        handouts = self.book.assign(self.now)
        changes = self.book.agenda.take_changes(self.now)
        if changes:
            self.journal.write(changes, Pieces())
        for handout in handouts:
            for lease in handout.leases:
                self.handed(lease)

    def handed(self, lease: Lease) -> None:
        entry = lease.entry
        model = self.models[entry.id]
        assert model.state is State.QUEUED
        assert not model.spent, "no attempt, and no question, beyond the budgets"
        assert entry.asking is model.asking, "it is asked when it has to be, and never run instead"
        seconds = HANDLER_SECONDS if model.asking else SETTINGS.timeout
        assert seconds is not None
        assert math.isclose(lease.deadline_ns / 1e9, self.now.mono + seconds)
        model.state = State.RUNNING
        if entry.asking is not None:
            _, message, _ = self.journal.kill_asked_about(entry.seq, entry.asking.value)
            assert message == f"by {entry.asking.value}", "what it is asked about is known"

    def entries(self) -> list[Entry]:
        return list(self.book.agenda.tasks.values())

    def busy(self) -> list[Worker]:
        return [worker for worker in self.book.workers.values() if worker.leases]

    def join(self) -> None:
        self.number += 1
        worker = self.book.hello(Hello(self.number, self.number % 1000, 10_000 + self.number, 1))
        self.book.ask(worker, 1, self.now)

    def next_time(self, worker: Worker, cause: Cause, cancelling: bool) -> None:
        """What must come of the death of a worker, or of the answer that stands for it."""
        model = self.models[worker.leases[0].entry.id]
        cause = Cause.CANCELLED if cancelling else cause
        if model.asking is None:
            model.fails(cause)
        else:
            model.asking_fails(cause)

    # -- what happens ------------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        self.join()
        self.join()

    @rule(options=st.sampled_from(OPTIONS), count=st.integers(1, 3))
    def submit(self, options: Options, count: int) -> None:
        for _ in range(count):
            task_id = new_id()
            assert self.book.agenda.submit(Submission(task_id, "t", b"x", options), self.now) is not None
            self.models[task_id] = Model(options)
        self.commit()

    @precondition(lambda self: self.busy())
    @rule(which=ANY, outcome=st.sampled_from(OUTCOMES), retry_in=st.sampled_from((None, 0.0, 7.0)))
    def report(self, which: int, outcome: Outcome, retry_in: float | None) -> None:
        """A run, or a question, ends by the worker's own word."""
        worker = pick(self.busy(), which)
        lease = worker.leases[0]
        model = self.models[lease.entry.id]
        retry_in = retry_in if outcome is Outcome.RETRY else None
        if model.asking is not None:
            outcome = Outcome.RETRY if outcome is Outcome.SUCCEEDED else outcome
        if lease.cancelling and (model.asking is not None or outcome is not Outcome.SUCCEEDED):
            self.next_time(worker, Cause.CANCELLED, cancelling=True)
        elif model.asking is not None:
            model.asked(again=outcome is not Outcome.REJECTED, retry_in=retry_in)
        elif outcome is Outcome.SUCCEEDED:
            model.state = State.SUCCEEDED
        else:
            causes = {Outcome.SOFT_TIMEOUT: Cause.SOFT_TIMEOUT, Outcome.REJECTED: Cause.REJECTED}
            model.fails(causes.get(outcome, Cause.EXCEPTION), retry_in)
        error = ErrorData("E", "by itself")
        assert self.book.complete(worker, Report(lease.number, outcome, b"r", error, retry_in=retry_in), self.now)
        self.expect(lease.entry)
        self.book.ask(worker, 1, self.now)
        self.commit()

    @precondition(lambda self: self.busy())
    @rule(which=ANY, cause=st.sampled_from(KILLS))
    def kill(self, which: int, cause: Cause) -> None:
        worker = pick(self.busy(), which)
        lease = worker.leases[0]
        self.next_time(worker, cause, lease.cancelling)
        if cause in (Cause.TIMEOUT, Cause.MEMORY):
            self.book.fence(lease.number, cause)
            late = Report(lease.number, Outcome.SUCCEEDED, b"late")
            assert not self.book.complete(worker, late, self.now), "too late"
        self.book.die(worker.number, lease.number, Death(cause, f"by {cause.value}"), self.now)
        self.expect(lease.entry)
        self.join()
        self.commit()

    @precondition(lambda self: self.busy())
    @rule(which=ANY)
    def never_begun(self, which: int) -> None:
        """The worker asks again: what it was handed never reached it, and nothing is counted."""
        worker = pick(self.busy(), which)
        model, cancelling = self.models[worker.leases[0].entry.id], worker.leases[0].cancelling
        self.book.ask(worker, 1, self.now)
        model.state = State.QUEUED
        if cancelling:
            model.state, model.asking = State.CANCELLED, None
            model.history.append((0, Cause.CANCELLED.value))
        self.commit()

    @precondition(lambda self: self.book.agenda.tasks)
    @rule(which=ANY)
    def cancel(self, which: int) -> None:
        entry = pick(self.entries(), which)
        model = self.models[entry.id]
        if model.state is not State.RUNNING:
            model.state, model.asking = State.CANCELLED, None
            model.history.append((0, Cause.CANCELLED.value))
        self.book.cancel(entry.id, self.now)
        self.commit()

    @rule(seconds=st.sampled_from((0.1, 1.0, 3.0, 20.0)))
    def wait(self, seconds: float) -> None:
        self.now = Moment(self.now.mono + seconds, self.now.wall + seconds)
        self.commit()

    @rule(everything=st.booleans())
    def restart(self, everything: bool) -> None:
        """The broker is killed, or the whole tree with it."""
        running = [worker.number for worker in self.busy()]
        cancelling = [lease.entry.id for lease in self.book.leases.values() if lease.cancelling]
        before = {entry.id: entry.due for entry in self.entries()}
        self.book = open_book(self.journal, SETTINGS, self.board, self.now)
        assert sorted(self.book.workers) == sorted(running)
        for entry in self.entries():
            assert entry.due == pytest.approx(before[entry.id], abs=1e-3)
        for number in list(self.book.workers):
            worker = self.book.workers[number]
            assert worker.leases[0].cancelling == (worker.leases[0].entry.id in cancelling), "the journal knows"
            if everything:
                self.next_time(worker, Cause.ABORT, worker.leases[0].cancelling)
                self.book.die(number, 2**62, Death(Cause.ABORT, "by abort"), self.now)
        self.number += 1000
        self.join()
        self.join()
        self.commit()

    @precondition(lambda self: any(model.state.ended for model in self.models.values()))
    @rule(which=ANY)
    def retry(self, which: int) -> None:
        """An ended task is taken up again."""
        task_id = pick([key for key, model in self.models.items() if model.state.ended], which)
        model = self.models[task_id]
        found = self.journal.archive.stored(task_id)
        assert found is not None
        assert found[1] == model.retried
        self.book.agenda.revive(fresh_entry_of(found[0], self.book.agenda.kinds, 1, self.now), self.now)
        if model.state is State.SUCCEEDED:
            model.history.append((model.counted + 1, ""))
        model.failures = model.crashes = model.aborts = 0
        model.retried += 1
        model.state = State.QUEUED
        self.commit()

    def expect(self, entry: Entry) -> None:
        """How long the next attempt waits."""
        model = self.models[entry.id]
        if model.state is State.RETRYING:
            low, high = model.wait
            assert entry.due is not None
            model.due = entry.due.mono
            assert low - 1e-6 <= entry.due.mono - self.now.mono <= high + 1e-6

    # -- what always holds -------------------------------------------------------------------------------------

    @invariant()
    def the_book_agrees(self) -> None:
        unfinished = {task_id for task_id, model in self.models.items() if not model.state.ended}
        assert set(self.book.agenda.tasks) == unfinished, "none is lost, none ends twice"
        for entry in self.entries():
            model = self.models[entry.id]
            assert (entry.state, entry.asking) == (model.state, model.asking)
            assert tuple(entry.counts) == (model.failures, model.crashes, model.aborts)

    @invariant()
    def the_journal_agrees(self) -> None:
        for task_id, model in self.models.items():
            row = self.journal.task(task_id, with_result=True)
            assert row is not None
            assert row.state == model.state
            assert row.attempt == model.counted + model.uncounted
            assert row.retried == model.retried
            assert (row.result == b"r") == (model.state is State.SUCCEEDED)
            told = self.journal.archive.attempts(task_id)
            assert told is not None
            success = [(model.counted + 1, "")] if model.state is State.SUCCEEDED else []
            assert sorted((each.number, each.cause) for each in told) == sorted([*model.history, *success])

    def teardown(self) -> None:
        """Whatever happened, all that is left ends, if the workers only die often enough."""
        for _ in range(200):
            if not self.book.agenda.tasks:
                break
            for worker in self.busy():
                self.kill(list(self.busy()).index(worker), Cause.SIGNAL)
            self.wait(20.0)
        assert not self.book.agenda.tasks
        self.the_journal_agrees()
        self.journal.close()


def pick(choices: Sequence[T], number: int) -> T:
    return choices[number % len(choices)]
