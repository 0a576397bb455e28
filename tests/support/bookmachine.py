"""The book driven at random: all that can happen to it, and what must hold after every step.

Each rule says beforehand what must become of the tasks it is about, in its own words and not in those of the book;
every other task must stay as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from supervisor.core.agenda import Agenda
from supervisor.core.book import Book, Cancelled, Handout
from supervisor.core.capacity import Capacity
from supervisor.core.changes import Changes
from supervisor.core.dealer import BatchPolicy
from supervisor.core.entry import Death, Entry, Lease, Worker
from supervisor.core.kind import Defaults, Kind, Kinds
from supervisor.core.moment import Moment
from supervisor.states import Cause, State
from supervisor.wire.messages import Hello, Outcome, Report, Submission
from supervisor.wire.options import NO_OPTIONS, Options

T = TypeVar("T")
DEFAULTS = Defaults(timeout=60.0, max_retries=1, retry_delay=2.0, retry_jitter=0.0, crash_budget=2, abort_budget=3)
BATCH = BatchPolicy(size=4, seconds=0.002)
LIMIT = 1000
OPTIONS = (
    NO_OPTIONS,
    Options(priority=5),
    Options(max_retries=0),
    Options(max_retries=2, retry_delay=0.0),
    Options(crash_budget=1, priority=5),
    Options(timeout=None),
)
CRASHES = (Cause.SIGNAL, Cause.EXIT, Cause.MEMORY)
KILLS = (Cause.TIMEOUT, Cause.MEMORY, Cause.CANCELLED, Cause.SHUTDOWN)
ANY = st.integers(0, 30)
EVERYTHING = 2**62


class View(NamedTuple):
    """What the tests hold a task to."""

    state: State
    failures: int
    crashes: int
    aborts: int


def view(entry: Entry) -> View:
    return View(entry.state, *entry.counts)


def after(seen: View, kind: Kind, cause: Cause) -> View:
    """What must become of a task when an attempt ends for this cause."""
    if cause is Cause.CANCELLED:
        return seen._replace(state=State.CANCELLED)
    if cause is Cause.SHUTDOWN:
        return seen._replace(state=State.QUEUED)
    if cause is Cause.ABORT:
        used = seen._replace(aborts=seen.aborts + 1, state=State.QUEUED)
        return used if used.aborts < kind.abort_budget else used._replace(state=State.LOST)
    if cause in CRASHES:
        used = seen._replace(crashes=seen.crashes + 1, state=State.QUEUED)
        return used if used.crashes < kind.crash_budget else used._replace(state=State.LOST)
    used = seen._replace(failures=seen.failures + 1, state=State.RETRYING if kind.retries.delay else State.QUEUED)
    if cause is not Cause.REJECTED and used.failures < kind.max_retries + 1:
        return used
    return used._replace(state=State.TIMED_OUT if cause is Cause.TIMEOUT else State.FAILED)


@dataclass
class Known:
    """What the tests remember of a run; as it was at the last commit, it is what a restart must give back."""

    made: dict[bytes, Submission] = field(default_factory=dict)
    ended: dict[bytes, View] = field(default_factory=dict)
    over: list[int] = field(default_factory=list)
    """Leases that were closed."""
    handed: set[int] = field(default_factory=set)
    """Every lease that was handed out."""
    fresh: set[bytes] = field(default_factory=set)
    """Tasks that stand in line in the order of their arrival."""
    returned: set[bytes] = field(default_factory=set)
    """Tasks that went back to the head of their line."""
    hastened: set[bytes] = field(default_factory=set)
    """Tasks that stand before all others."""
    counted: Counter[int] = field(default_factory=Counter)
    """Attempts that counted, by seq."""

    def copy(self) -> Known:
        return Known(*(type(value)(value) for value in vars(self).values()))


class BookMachine(RuleBasedStateMachine):
    """Clients, workers, the master and time, all at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = Moment.now()
        self.book = self.new_book()
        self.known = Known()
        self.entries: dict[bytes, Entry] = {}
        """Tasks that were not over at the last commit."""
        self.gone: dict[bytes, Entry] = {}
        self.shortest: dict[str, float] = {}
        """The fewest seconds that a task of each name has taken."""
        self.serial = 0

    def new_book(self) -> Book:
        return Book(Agenda(Kinds(DEFAULTS), Capacity(LIMIT)), BATCH)

    # -- help --------------------------------------------------------------------------------------------------

    def views(self) -> dict[bytes, View]:
        return {task_id: view(entry) for task_id, entry in self.entries.items()}

    @contextmanager
    def becomes(self, wanted: dict[bytes, View]) -> Iterator[None]:
        """Inside, these tasks become this, and no other is touched."""
        expected = {**self.views(), **wanted}
        yield
        assert self.views() == expected

    def workers(self) -> list[Worker]:
        return list(self.book.workers.values())

    def busy(self) -> list[Worker]:
        return [worker for worker in self.workers() if worker.leases]

    def back(self, leases: Sequence[Lease], cancelled: int = 0) -> dict[bytes, View]:
        """What must become of tasks whose lease is given back, one of them cancelled: nothing was counted."""
        for lease in leases:
            self.known.returned.add(lease.entry.id)
            self.known.over.append(lease.number)
        return {
            lease.entry.id: view(lease.entry)._replace(
                state=State.CANCELLED if lease.cancelling or lease.number == cancelled else State.QUEUED
            )
            for lease in leases
        }

    def number(self) -> int:
        self.serial += 1
        return self.serial

    # -- clients -----------------------------------------------------------------------------------------------

    @rule(
        name=st.sampled_from("abc"),
        options=st.sampled_from(OPTIONS),
        generation=st.sampled_from((1, 1, 2)),
        delay=st.sampled_from((0.0, 0.0, 0.0, 3.0)),
        count=st.integers(1, 8),
    )
    def submit(self, name: str, options: Options, generation: int, delay: float, count: int) -> None:
        for _ in range(count):
            task_id = self.number().to_bytes(16, "big")
            submission = Submission(task_id, name, name.encode(), options, delay, generation)
            entry = self.book.agenda.submit(submission, self.now)
            assert entry is not None
            assert view(entry) == View(State.SCHEDULED if delay else State.QUEUED, 0, 0, 0)
            self.entries[task_id] = entry
            self.known.made[task_id] = submission
            if not delay:
                self.known.fresh.add(task_id)
            with self.becomes({}):
                assert self.book.agenda.submit(submission, self.now) is None, "a repeated call takes in nothing"

    @precondition(lambda self: self.entries or self.gone)
    @rule(which=ANY)
    def cancel(self, which: int) -> None:
        entry = pick([*(self.entries or self.gone).values()], which)
        now = view(entry)
        if entry.state.ended:
            found, wanted = Cancelled.UNKNOWN, now
        elif entry.state is State.RUNNING:
            found, wanted = Cancelled.STOPPING, now
        else:
            found, wanted = Cancelled.REMOVED, now._replace(state=State.CANCELLED)
        with self.becomes({entry.id: wanted} if entry.id in self.entries else {}):
            answer, lease = self.book.cancel(entry.id, self.now)
        assert answer is found
        assert lease is (self.book.leases[entry.lease] if found is Cancelled.STOPPING else None)

    # -- workers -----------------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        """Two workers, of older and of newer code; the tasks a and b are known to be short."""
        self.join(1)
        self.join(2)
        for name in "ab":
            self.submit(name, NO_OPTIONS, 1, 0.0, 1)
            self.settle()
            self.complete(0, 1, Outcome.SUCCEEDED, 1e-5, 4)

    @rule(generation=st.sampled_from((1, 1, 2)))
    def join(self, generation: int) -> None:
        number = self.number()
        worker = self.book.hello(Hello(number, number % 1000, 10_000 + number, generation))
        assert self.book.workers[number] is worker
        self.ask_for(worker, 4)
        self.settle()

    @precondition(lambda self: self.book.workers)
    @rule(which=ANY, back=st.booleans())
    def leave(self, which: int, back: bool) -> None:
        worker = pick(self.workers(), which)
        with self.becomes({}):
            self.book.leave(worker)
            if back:
                hello = Hello(worker.number, worker.slot, worker.pid, worker.generation)
                assert self.book.hello(hello) is worker

    @precondition(lambda self: self.book.workers)
    @rule(which=ANY, most=st.integers(1, 6), at_once=st.booleans())
    def ask(self, which: int, most: int, at_once: bool) -> None:
        worker = pick(self.workers(), which)
        self.ask_for(worker, most)
        if at_once:
            self.settle()

    def ask_for(self, worker: Worker, most: int) -> None:
        held = list(worker.leases)
        doomed = any(lease.fenced for lease in held)
        with self.becomes({} if doomed else self.back(held)):
            assert self.book.ask(worker, most, self.now) == (0 if doomed else len(held))
        assert list(worker.leases) == (held if doomed else [])

    @precondition(lambda self: self.busy())
    @rule(
        which=ANY,
        count=st.integers(1, 4),
        outcome=st.sampled_from((Outcome.SUCCEEDED, *Outcome)),
        seconds=st.sampled_from((1e-5, 4e-4)),
        most=st.integers(0, 6),
    )
    def complete(self, which: int, count: int, outcome: Outcome, seconds: float, most: int) -> None:
        """A worker ends some of what it holds, and asks for more or not."""
        worker = pick(self.busy(), which)
        for lease in list(worker.leases)[:count]:
            took = 1.0 if lease.entry.kind.name == "c" else seconds
            self.report(worker, lease, Report(lease.number, outcome, b"!", seconds=took))
        if most:
            self.ask_for(worker, most)
            self.settle()

    def report(self, worker: Worker, lease: Lease, report: Report) -> None:
        counts = lease.fenced is None
        with self.becomes({lease.entry.id: self.outcome(lease, report.outcome)} if counts else {}):
            assert self.book.complete(worker, report, self.now) is counts
        if counts:
            self.count(lease, report)

    def count(self, lease: Lease, report: Report) -> None:
        self.known.over.append(lease.number)
        name = lease.entry.kind.name
        self.shortest[name] = min(report.seconds, self.shortest.get(name, report.seconds))

    def outcome(self, lease: Lease, outcome: Outcome) -> View:
        now = view(lease.entry)
        if outcome is Outcome.SUCCEEDED:
            return now._replace(state=State.SUCCEEDED)
        if lease.cancelling:
            return now._replace(state=State.CANCELLED)
        return after(now, lease.entry.kind, Cause.REJECTED if outcome is Outcome.REJECTED else Cause.EXCEPTION)

    @precondition(lambda self: self.known.over)
    @rule(which=ANY, lease=ANY, outcome=st.sampled_from(Outcome))
    def report_too_late(self, which: int, lease: int, outcome: Outcome) -> None:
        """A lease that is over, or is another's: no word of it counts."""
        for worker in self.workers():
            numbers = set(self.known.over) | (self.known.handed - {each.number for each in worker.leases})
            with self.becomes({}):
                report = Report(pick(sorted(numbers), lease), outcome)
                assert not self.book.complete(worker, report, self.now)
        with self.becomes({}):
            assert self.book.fence(pick(self.known.over, lease), Cause.TIMEOUT) is None
            assert not self.book.spare(pick(self.known.over, lease), self.now)

    @precondition(lambda self: self.entries)
    @rule(which=ANY)
    def hasten(self, which: int) -> None:
        """A task waits for this one: where it waits for a worker, it is the next."""
        entry = pick(list(self.entries.values()), which)
        with self.becomes({}):
            self.book.agenda.waiting.hasten(entry)
        if entry.state is State.QUEUED:
            self.known.hastened.add(entry.id)

    # -- the master --------------------------------------------------------------------------------------------

    @precondition(lambda self: self.book.leases)
    @rule(which=ANY, cause=st.sampled_from(KILLS), outcome=st.sampled_from(Outcome), late=st.booleans())
    def fence(self, which: int, cause: Cause, outcome: Outcome, late: bool) -> None:
        """A worker is about to be killed; what it reports now is too late."""
        lease = pick(list(self.book.leases.values()), which)
        with self.becomes({}):
            assert self.book.fence(lease.number, cause) is lease
        if late:
            worker = self.book.workers[lease.worker]
            self.report(worker, lease, Report(lease.number, outcome))
            self.ask_for(worker, 4)

    @precondition(lambda self: any(lease.fenced for lease in self.book.leases.values()))
    @rule(which=ANY)
    def spare(self, which: int) -> None:
        """The master called the kill off: what the worker said meanwhile counts."""
        lease = pick([lease for lease in self.book.leases.values() if lease.fenced], which)
        worker = self.book.workers[lease.worker]
        late = lease.late
        wanted = {lease.entry.id: self.outcome(lease, late.outcome)} if late else {}
        rest = [each for each in worker.leases if each is not lease or not late]
        if worker.wants and not any(each.fenced for each in rest if each is not lease):
            wanted |= self.back(rest)
        with self.becomes(wanted):
            assert self.book.spare(lease.number, self.now) is (late is not None)
        assert lease.fenced is None
        if late:
            self.count(lease, late)

    @precondition(lambda self: self.busy())
    @rule(which=ANY, position=ANY)
    def revoke(self, which: int, position: int) -> None:
        worker = pick(self.busy(), which)
        held = list(worker.leases)
        first = pick(held, position).number
        back = [lease for lease in held if lease.number >= first and not lease.fenced]
        with self.becomes(self.back(back)):
            assert self.book.revoke(worker, first, self.now) == len(back)

    @precondition(lambda self: self.book.workers)
    @rule(which=ANY, started=ANY, cause=st.sampled_from(Cause), replaced=st.integers(0, 4))
    def die(self, which: int, started: int, cause: Cause, replaced: int) -> None:
        worker = pick(self.busy() or self.workers(), which)
        last = pick([0, *(lease.number for lease in worker.leases), EVERYTHING], started)
        self.bury(worker, last, cause)
        if replaced:
            self.join(worker.generation)

    def bury(self, worker: Worker, started: int, cause: Cause) -> None:
        held = list(worker.leases)
        charged = [lease for lease in held if lease.number <= started]
        if cause is not Cause.SHUTDOWN:
            charged = charged or held[:1]  # the first is charged even if it was never seen to start
        unstarted = held[len(charged) :]
        wanted = {
            lease.entry.id: after(
                view(lease.entry), lease.entry.kind, Cause.CANCELLED if lease.cancelling else lease.fenced or cause
            )
            for lease in charged
        }
        with self.becomes({**wanted, **self.back(unstarted)}):
            assert self.book.die(worker.number, started, Death(cause, "it died"), self.now) is worker
        self.known.over += [lease.number for lease in charged]
        assert worker.number not in self.book.workers
        assert self.book.die(worker.number, started, Death(cause), self.now) is None

    @rule(generation=st.sampled_from((1, 2)))
    def promote(self, generation: int) -> None:
        self.book.promote(generation)

    @rule()
    def drain(self) -> None:
        held = set(self.book.leases)
        self.book.draining = True
        self.settle()
        assert set(self.book.leases) == held, "nothing is handed out"
        self.book.draining = False

    # -- time --------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from((0.25, 2.0, 5.0)))
    def wait(self, seconds: float) -> None:
        self.now = Moment(self.now.mono + seconds, self.now.wall + seconds)
        self.settle()

    @rule()
    def settle(self) -> None:
        """The end of the broker's turn: what is due, what can be handed out, and the commit."""
        due = [entry for entry in self.book.agenda.tasks.values() if entry.due and entry.due.mono <= self.now.mono]
        with self.becomes({entry.id: view(entry)._replace(state=State.QUEUED) for entry in due}):
            self.book.agenda.tick(self.now)
        queued = [entry for entry in self.book.agenda.tasks.values() if entry.state is State.QUEUED]
        wants = {worker.number: worker.wants for worker in self.workers()}
        handouts = self.book.assign(self.now)
        for handout in handouts:
            self.check_handout(handout, queued, wants[handout.worker.number])
        self.check_nobody_waits_in_vain(queued)
        self.account(self.book.agenda.take_changes(self.now))

    def check_handout(self, handout: Handout, queued: list[Entry], wants: int) -> None:
        worker, leases = handout.worker, handout.leases
        assert not self.book.draining
        assert list(worker.leases) == leases
        assert worker.wants == 0
        assert 1 <= len(leases) <= min(wants, BATCH.size)
        if len(leases) > 1:
            seconds = [self.shortest.get(lease.entry.kind.name, float("inf")) for lease in leases]
            assert sum(seconds) <= BATCH.seconds, "a batch holds only tasks that are known to be short"
        for lease in leases:
            self.check_turn(lease, worker, queued)
            queued.remove(lease.entry)

    def check_turn(self, lease: Lease, worker: Worker, queued: list[Entry]) -> None:
        """It was this task's turn, and the lease is a new one."""
        entry, fresh = lease.entry, self.known.fresh
        assert lease.number not in self.known.handed
        self.known.handed.add(lease.number)
        timeout = entry.kind.timeout
        assert lease.deadline_ns == (int((self.now.mono + timeout) * 1e9) if timeout else 0)
        assert entry.generation <= worker.generation, "older code never gets newer tasks"
        allowed = [other for other in queued if other.generation <= worker.generation]
        if entry.id in self.known.hastened:
            self.known.hastened.discard(entry.id)
            self.known.returned.discard(entry.id)
            fresh.discard(entry.id)
            return
        assert not [other for other in allowed if other.id in self.known.hastened], "what is waited for comes first"
        assert entry.kind.priority == max(other.kind.priority for other in allowed)
        line = [each for each in allowed if each.kind.priority == entry.kind.priority]
        line = [each for each in line if each.generation == entry.generation]
        returned = [each for each in line if each.id in self.known.returned]
        if returned:
            oldest = min(each.seq for each in returned)
            assert entry.id in self.known.returned or entry.seq < oldest, "what was given back is in its old place"
        elif entry.id in fresh:
            assert entry.seq == min(each.seq for each in line if each.id in fresh), "first in, first out"
        self.known.returned.discard(entry.id)
        fresh.discard(entry.id)

    def check_nobody_waits_in_vain(self, queued: list[Entry]) -> None:
        waiting = [worker for worker in self.workers() if worker.wants and not worker.leases]
        if not self.book.draining:
            for worker in waiting:
                assert not [entry for entry in queued if entry.generation <= worker.generation]

    def account(self, changes: Changes) -> None:
        """Look at what goes to the journal."""
        for task_id, entry in changes.ended.items():
            assert task_id not in self.known.ended, "no task is finalised twice"
            assert entry.state.ended
            self.known.ended[task_id] = view(entry)
            self.gone[task_id] = self.entries.pop(task_id)
            assert (entry.seq in changes.results) == (entry.state is State.SUCCEEDED)
        assert changes.wall == self.now.wall
        told = [attempt.seq for attempt in changes.attempts]
        bad = [entry for entry in changes.ended.values() if entry.state is not State.SUCCEEDED]
        assert all(entry.seq in told for entry in bad), "every bad end has its cause"
        for attempt in changes.attempts:
            if attempt.failure.cause not in (Cause.CANCELLED, Cause.SHUTDOWN):
                self.known.counted[attempt.seq] += 1
                assert attempt.number == self.known.counted[attempt.seq]
        for entry in changes.touched.values():
            assert entry.attempts == self.known.counted[entry.seq]
        self.commit(changes)

    def commit(self, changes: Changes) -> None:
        """Where there is a journal: write to it."""

    # -- what always holds -------------------------------------------------------------------------------------

    @invariant()
    def no_task_is_lost_and_none_ends_twice(self) -> None:
        pending = set(self.book.agenda.changes.ended)
        assert pending.isdisjoint(self.known.ended)
        assert pending.isdisjoint(self.book.agenda.tasks)
        assert pending | set(self.book.agenda.tasks) == set(self.entries)
        assert len(self.entries) + len(self.known.ended) == len(self.known.made)
        assert not any(entry.state.ended for entry in self.book.agenda.tasks.values())

    @invariant()
    def attempts_stay_within_their_budgets(self) -> None:
        for entry in self.entries.values():
            kind = entry.kind
            assert entry.counts.failures <= kind.max_retries + 1
            assert entry.counts.crashes <= kind.crash_budget
            assert entry.counts.aborts <= kind.abort_budget
            used_up = entry.counts.crashes == kind.crash_budget or entry.counts.aborts == kind.abort_budget
            assert (entry.state is State.LOST) == used_up
            used_up = entry.counts.failures == kind.max_retries + 1 or self.was_rejected(entry)
            assert (entry.state in (State.FAILED, State.TIMED_OUT)) == used_up

    def was_rejected(self, entry: Entry) -> bool:
        """Whether an attempt that is not committed yet said that no other would help."""
        attempts = self.book.agenda.changes.attempts
        return any(each.seq == entry.seq and each.failure.cause is Cause.REJECTED for each in attempts)

    @invariant()
    def a_lease_belongs_to_one_worker(self) -> None:
        held = [lease for worker in self.workers() for lease in worker.leases]
        assert sorted(lease.number for lease in held) == sorted(self.book.leases)
        assert all(self.book.workers[lease.worker].leases.count(lease) == 1 for lease in held)
        running = {entry.lease: entry for entry in self.book.agenda.tasks.values() if entry.state is State.RUNNING}
        assert running == {lease.number: lease.entry for lease in held}

    @invariant()
    def the_ready_line_counts_the_queued_tasks(self) -> None:
        states = Counter(entry.state for entry in self.book.agenda.tasks.values())
        assert len(self.book.agenda.waiting.ready) == states[State.QUEUED]

    @invariant()
    def the_tallies_agree_with_the_book(self) -> None:
        entries = self.book.agenda.tasks.values()
        tallies = list(self.book.agenda.kinds.tallies)
        for tally in tallies:
            ours = [entry for entry in entries if entry.kind.name == tally.name]
            states = Counter(entry.state for entry in ours)
            assert tally.unfinished == len(ours)
            assert tally.running == states[State.RUNNING]
            assert tally.later == states[State.SCHEDULED] + states[State.RETRYING]
            assert (tally.retrying, tally.blocked) == (states[State.RETRYING], 0)
            assert tally.depth == states[State.QUEUED]
            waiting = [entry.since for entry in ours if entry.state is State.QUEUED]
            assert tally.oldest() == min(waiting, default=None)
        ended = Counter[str]()
        for tally in tallies:
            ended.update(tally.all_ended())
        pending = Counter(entry.state.value for entry in self.book.agenda.changes.ended.values())
        assert ended == Counter(seen.state.value for seen in self.known.ended.values()) + pending
        assert self.book.busy == sum(bool(worker.leases) for worker in self.workers())

    @invariant()
    def the_next_due_task_is_not_slept_through(self) -> None:
        waits = [entry for entry in self.book.agenda.tasks.values() if entry.state in (State.SCHEDULED, State.RETRYING)]
        times = [entry.due.mono for entry in waits if entry.due is not None]
        assert len(times) == len(waits)
        soonest = self.book.agenda.next_due(self.now)
        if waits:
            assert soonest is not None
            assert soonest <= min(times)

    # -- the end -----------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Whatever happened, all that is left can be finished by one worker in a bounded time."""
        for worker in self.workers():
            self.bury(worker, EVERYTHING, Cause.SHUTDOWN)
        self.join(9)
        (worker,) = self.workers()
        for _ in range(len(self.book.agenda.tasks) + 2):
            self.wait(10.0)
            for lease in list(worker.leases):
                self.report(worker, lease, Report(lease.number, Outcome.SUCCEEDED, seconds=1e-5))
            self.ask_for(worker, 4)
        self.settle()
        assert not self.book.agenda.tasks
        assert not self.book.leases
        assert len(self.book.agenda.waiting.ready) == 0
        assert self.book.agenda.waiting.ready.next(9, self.now.mono) is None
        assert self.book.agenda.next_due(self.now) is None
        assert {task_id: view(entry) for task_id, entry in self.gone.items()} == self.known.ended, "an end is final"


def pick(choices: Sequence[T], number: int) -> T:
    return choices[number % len(choices)]


def described(entry: Entry) -> tuple[object, ...]:
    """All of a task that a restart has to give back (its monotonic times follow from the other, or begin anew)."""
    return tuple(getattr(entry, name) for name in msgspec.structs.asdict(entry) if name not in ("due", "since"))
