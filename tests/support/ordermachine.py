"""Tasks with priorities, queues, limits, rates, unique keys and expiries, driven at random through book and journal.

What must hold is said here in words of its own, from nothing but what was submitted, handed out and ended.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from supervisor.broker.__main__ import open_book
from supervisor.core.book import Cancelled
from supervisor.core.entry import Death, Entry, Lease, Worker
from supervisor.core.keys import Keys, Limit, Rate, Unique
from supervisor.core.lines import HIGH
from supervisor.core.moment import Moment
from supervisor.ids import new_id
from supervisor.journal.journal import Durability, Journal
from supervisor.journal.rows import Pieces
from supervisor.scoreboard import Scoreboard
from supervisor.settings import Settings
from supervisor.states import Cause, State
from supervisor.wire.messages import Hello, Outcome, Report, Submission
from supervisor.wire.options import Options

T = TypeVar("T")
ANY = st.integers(0, 50)
QUEUES = ("default", "mails", "reports")
PRIORITIES = (-10, 0, 5, 10, 20)
LIMITS = (Limit("one", 1), Limit("two", 2))
RATES = (Rate("once", 1, 2.0), Rate("thrice", 3, 5.0))
PERIOD = Unique("c", "period", 6.0)
UNIQUES = (Unique("a", "finished"), Unique("b", "started"), PERIOD)
ROOM = {"reports": 4}
CRASHES = (Cause.SIGNAL, Cause.TIMEOUT, Cause.SHUTDOWN, Cause.ABORT)
BOARD = Scoreboard.create()
LOOK = 0.1
"""How long a gate may take to notice that those it let back do not pass."""
SETTINGS = Settings(
    max_retries=1,
    retry_delay=1.0,
    retry_jitter=0.0,
    backoff=1.0,
    crash_budget=3,
    abort_budget=1000,
    batch_size=3,
    ageing=2.0,
    queue_limits=ROOM,
)


@dataclass
class Started:
    """A start that counts in a rate."""

    at: float
    wall: float
    lease: int


class OrderMachine(RuleBasedStateMachine):
    """``ageing``: as the setting."""

    ageing: float | None = SETTINGS.ageing

    def __init__(self) -> None:
        super().__init__()
        self.settings = Settings(**{**SETTINGS.__dict__, "ageing": self.ageing})
        self.journal = Journal(Path("in memory"), Durability.OFF)
        self.now = Moment(1000.0, 1_700_000_000.0)
        self.book = open_book(self.journal, self.settings, BOARD, self.now)
        self.number = 1
        self.made: set[bytes] = set()
        self.ended: dict[bytes, State] = {}
        self.starts: defaultdict[str, list[Started]] = defaultdict(list)
        self.periods: dict[str, tuple[float, bytes]] = {}
        """Keys that are held for a period: until when, by whom."""
        self.set_back = False
        """Whether the wall clock was: a period that was seen to be over may then be either."""
        self.join(3)

    # -- what comes in -----------------------------------------------------------------------------------------

    @rule(
        count=st.integers(1, 3),
        priority=st.sampled_from(PRIORITIES),
        queue=st.sampled_from(QUEUES),
        limit=st.sampled_from((None, None, *LIMITS)),
        rate=st.sampled_from((None, None, *RATES)),
    )
    def submit(self, count: int, priority: int, queue: str, limit: Limit | None, rate: Rate | None) -> None:
        for _ in range(count):
            self.put(Keys(limit=limit, rate=rate), Options(priority=priority, queue=queue))

    @rule(unique=st.sampled_from(UNIQUES), rate=st.sampled_from((None, *RATES)), delay=st.sampled_from((0.0, 3.0)))
    def submit_unique(self, unique: Unique, rate: Rate | None, delay: float) -> None:
        self.put(Keys(unique=unique, rate=rate), Options(), delay=delay)

    @rule(
        expires=st.sampled_from((0.5, 4.0)),
        limit=st.sampled_from((None, *LIMITS)),
        rate=st.sampled_from((None, *RATES)),
        queue=st.sampled_from(QUEUES),
    )
    def submit_expiring(self, expires: float, limit: Limit | None, rate: Rate | None, queue: str) -> None:
        self.put(Keys(limit=limit, rate=rate), Options(queue=queue), expires=expires)

    def put(self, keys: Keys, options: Options, delay: float = 0.0, expires: float = 0.0) -> None:
        """As the broker does it: first who holds the key, then whether there is room."""
        submission = Submission(new_id(), "t", b"", options, delay, keys=keys, expires=expires)
        holder = self.book.agenda.holder(submission, self.now)
        if keys.unique is not None:
            self.check_holder(keys.unique, holder)
        if holder is not None:
            return
        held = sum(entry.kind.queue == options.queue for entry in self.book.agenda.tasks.values())
        if options.queue in ROOM:
            assert self.book.agenda.capacity.held[options.queue] == held
            if held >= ROOM[options.queue]:
                return
        self.made.add(submission.id)
        assert self.book.agenda.submit(submission, self.now) is not None
        if keys.unique is not None and keys.unique.until == "period":
            self.periods[keys.unique.key] = self.now.wall + keys.unique.seconds, submission.id
        self.settle()

    def check_holder(self, unique: Unique, holder: bytes | None) -> None:
        """It is said of who holds a key, and nobody else, that it holds it."""
        users = [entry for entry in self.entries() if entry.keys.unique == unique]
        if unique.until == "finished":
            assert [entry.id for entry in users] == ([holder] if holder else [])
        elif unique.until == "started":
            # A task that was handed out and came back has its key again, unless somebody took it meanwhile.
            assert holder is None or any(entry.id == holder and not running(entry) for entry in users)
            assert holder is not None or all(entry.lease for entry in users)
        elif not self.set_back:
            until, task_id = self.periods.get(unique.key, (0.0, b""))
            assert holder == (task_id if until > self.now.wall else None)

    # -- what callers change -----------------------------------------------------------------------------------

    @precondition(lambda self: self.book.agenda.tasks)
    @rule(which=ANY)
    def cancel(self, which: int) -> None:
        entry = pick(self.entries(), which)
        found, lease = self.book.cancel(entry.id, self.now)
        assert (found is Cancelled.STOPPING) == (lease is not None)
        self.settle()

    @precondition(lambda self: self.book.agenda.tasks)
    @rule(which=ANY, priority=st.sampled_from(PRIORITIES))
    def prioritise(self, which: int, priority: int) -> None:
        entry = pick(self.entries(), which)
        waits = entry.state is not State.RUNNING
        assert self.book.agenda.prioritise(entry.id, priority) is waits
        assert entry.priority == priority or not waits
        self.settle()

    @rule(queue=st.sampled_from(QUEUES), paused=st.booleans())
    def pause(self, queue: str, paused: bool) -> None:
        self.book.agenda.pause(queue, paused=paused)
        self.settle()

    @rule(queue=st.sampled_from(QUEUES), weight=st.sampled_from((0.5, 1.0, 3.0)))
    def weigh(self, queue: str, weight: float) -> None:
        self.book.agenda.weigh(queue, weight)

    # -- workers -----------------------------------------------------------------------------------------------

    def join(self, most: int) -> Worker:
        worker = self.book.hello(Hello(self.number, 0, 1000 + self.number, 1))
        self.number += 1
        self.book.ask(worker, most, self.now)
        return worker

    @precondition(lambda self: len(self.book.workers) < 4)
    @rule(most=st.integers(1, 3))
    def join_another(self, most: int) -> None:
        self.join(most)
        self.settle()

    @precondition(lambda self: self.book.leases)
    @rule(which=ANY, outcome=st.sampled_from((Outcome.SUCCEEDED, *Outcome)), seconds=st.sampled_from((1e-5, 1.0)))
    def complete(self, which: int, outcome: Outcome, seconds: float) -> None:
        """The worker ends the first of what it holds; when that was the last, it asks for more."""
        worker = pick([each for each in self.book.workers.values() if each.leases], which)
        lease = worker.leases[0]
        assert self.book.complete(worker, Report(lease.number, outcome, seconds=seconds), self.now)
        if not worker.leases:
            self.book.ask(worker, 3, self.now)
        self.settle()

    @precondition(lambda self: self.book.leases)
    @rule(which=ANY, cause=st.sampled_from(CRASHES), started=st.integers(0, 2))
    def die(self, which: int, cause: Cause, started: int) -> None:
        """A worker is killed: the holder of a slot, of a key, of a token. It may have started only some."""
        worker = pick([each for each in self.book.workers.values() if each.leases], which)
        held = list(worker.leases)
        last = held[min(started, len(held) - 1)].number
        self.uncount([lease for lease in held if lease.number > last])
        self.book.die(worker.number, last, Death(cause), self.now)
        self.join(3)
        self.settle()

    @precondition(lambda self: any(len(worker.leases) > 1 for worker in self.book.workers.values()))
    @rule(which=ANY)
    def revoke(self, which: int) -> None:
        """What a worker has not started goes back."""
        worker = pick([each for each in self.book.workers.values() if len(each.leases) > 1], which)
        back = list(worker.leases)[1:]
        self.uncount(back)
        self.book.revoke(worker, back[0].number, self.now)
        self.settle()

    def uncount(self, back: Sequence[Lease]) -> None:
        """These were never started."""
        numbers = {lease.number for lease in back}
        for starts in self.starts.values():
            starts[:] = [start for start in starts if start.lease not in numbers]

    # -- time --------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from((0.05, 0.5, 2.0, 5.0)))
    def wait(self, seconds: float) -> None:
        self.now = Moment(self.now.mono + seconds, self.now.wall + seconds)
        self.settle()

    @rule(seconds=st.sampled_from((-2.0, 2.0)))
    def set_the_clock(self, seconds: float) -> None:
        """The wall clock jumps; what counts on it goes along, and nothing else."""
        self.now = Moment(self.now.mono, self.now.wall + seconds)
        self.set_back |= seconds < 0
        self.settle()

    @rule(everything=st.booleans())
    def restart(self, everything: bool) -> None:
        """The broker is killed, or the whole tree with it. What it had committed is all there is."""
        before = {entry.id: described(entry) for entry in self.entries()}
        wanted = {number: worker.wants for number, worker in self.book.workers.items()}
        cancelling = {lease.number for lease in self.book.leases.values() if lease.cancelling}
        self.book = open_book(self.journal, self.settings, BOARD, self.now)
        assert {entry.id: described(entry) for entry in self.entries()} == before
        for start in (start for starts in self.starts.values() for start in starts):
            start.at = min(self.now.mono, self.now.mono_at(start.wall))  # all that outlives it is wall clock
        for worker in list(self.book.workers.values()):
            if everything:
                self.book.die(worker.number, 2**62, Death(Cause.ABORT), self.now)
            for lease in worker.leases:
                lease.cancelling = lease.number in cancelling  # as the scoreboard tells
        for number, wants in wanted.items():
            if not everything and (wants or number in self.book.workers):
                worker = self.book.hello(Hello(number, 0, number, 1))
                if wants:
                    self.book.ask(worker, wants, self.now)
        if everything:
            self.join(3)
        self.settle()

    def settle(self) -> None:
        """A turn of the broker."""
        self.book.agenda.tick(self.now)
        self.check_expiries()
        queued = [entry for entry in self.entries() if entry.state is State.QUEUED]
        gated = {entry.id for entry in queued if self.book.agenda.waiting.gates.holds(entry)}
        for handout in self.book.assign(self.now):
            for lease in handout.leases:
                self.check_turn(lease, [entry for entry in queued if entry.id not in gated])
                queued.remove(lease.entry)
                self.start(lease)
        self.check_limits()
        changes = self.book.agenda.take_changes(self.now)
        for task_id, entry in changes.ended.items():
            assert task_id not in self.ended, "no task ends twice"
            assert entry.state.ended
            self.ended[task_id] = entry.state
        if changes:
            self.journal.write(changes, Pieces())

    def start(self, lease: Lease) -> None:
        entry = lease.entry
        assert not entry.expires or entry.expires > self.now.wall, "nothing starts after its time"
        rate = entry.keys.rate
        if rate is not None:
            self.starts[rate.key].append(Started(*self.now, lease.number))
            assert self.recent(rate) <= rate.most, "no more than the rate start in any window"

    # -- what must hold ----------------------------------------------------------------------------------------

    def check_turn(self, lease: Lease, queued: list[Entry]) -> None:
        """It was its turn: nobody in its queue, whom no gate keeps out, ranks higher."""
        chosen = lease.entry
        assert chosen in queued
        queue = chosen.kind.queue
        assert not self.book.agenda.waiting.ready.queue(queue).paused
        for other in queued:
            if other.kind.queue == queue and other is not chosen and not self.shut(other, chosen):
                assert self.rank(other) < self.rank(chosen), "by priority, age and arrival"

    def rank(self, entry: Entry) -> tuple[float, float, int]:
        priority = float(entry.priority)
        if self.ageing and priority < HIGH:
            priority = min(HIGH, priority + (self.now.mono - entry.since) / self.ageing)
        return priority, -entry.since, -entry.seq

    def shut(self, entry: Entry, chosen: Entry) -> bool:
        """Whether a gate keeps this task out. (``chosen`` has gone through in this very turn, and others before.)"""
        limit, rate = entry.keys.limit, entry.keys.rate
        inside = sum(lease.entry.keys.limit == limit for lease in self.book.leases.values())
        full = limit is not None and inside >= limit.most
        return full or (rate is not None and self.recent(rate, chosen) >= rate.most)

    def recent(self, rate: Rate, chosen: Entry | None = None) -> int:
        """Starts within the window that ends now."""
        counted = sum(start.at + rate.seconds > self.now.mono for start in self.starts[rate.key])
        return counted + (chosen is not None and chosen.keys.rate == rate)

    def check_limits(self) -> None:
        for limit in LIMITS:
            running = [lease for lease in self.book.leases.values() if lease.entry.keys.limit == limit]
            assert len(running) <= limit.most, "no more than the limit run at once"

    def check_expiries(self) -> None:
        for entry in self.entries():
            over = bool(entry.expires) and entry.expires <= self.now.wall
            assert not over or entry.state is State.RUNNING, "what was not started in time has ended"

    @invariant()
    def no_task_is_lost_and_none_is_there_twice(self) -> None:
        assert set(self.book.agenda.tasks) | set(self.ended) == self.made
        assert not set(self.book.agenda.tasks) & set(self.ended)

    @invariant()
    def every_queued_task_is_in_one_place(self) -> None:
        queued = [entry for entry in self.entries() if entry.state is State.QUEUED]
        assert len(self.book.agenda.waiting.ready) + len(self.book.agenda.waiting.gates) == len(queued)
        assert sum(map(self.book.agenda.waiting.gates.holds, queued)) == len(self.book.agenda.waiting.gates)
        counts = Counter(entry.kind.queue for entry in queued if not self.book.agenda.waiting.gates.holds(entry))
        assert all(queue.count == counts[name] for name, queue in self.book.agenda.waiting.ready.queues.items())

    @invariant()
    def nobody_waits_who_could_run(self) -> None:
        """While a worker is idle, whoever may run and still waits does so at a gate, for a moment at most."""
        if not any(worker.wants for worker in self.book.workers.values()):
            return
        for entry in self.entries():
            if entry.state is State.QUEUED and not self.book.agenda.waiting.ready.queue(entry.kind.queue).paused:
                limit, rate = entry.keys.limit, entry.keys.rate
                inside = sum(lease.entry.keys.limit == limit for lease in self.book.leases.values())
                shut = limit is not None and inside >= limit.most
                if not shut and (rate is None or self.recent(rate) < rate.most):
                    assert self.book.agenda.waiting.gates.holds(entry), (
                        entry,
                        self.book.agenda.waiting.ready.queues,
                        self.book.workers,
                        self.book.agenda.waiting.ready._count,
                    )
                    due = self.book.agenda.next_due(self.now)
                    assert due is not None
                    assert due <= self.now.mono + LOOK, (
                        due,
                        self.now,
                        entry,
                        self.starts,
                        self.book.agenda.waiting.gates._gates,
                        self.book.agenda.waiting.gates._held[entry.seq].key,
                    )

    @invariant()
    def what_is_to_come_is_not_slept_through(self) -> None:
        times = [entry.due.mono for entry in self.entries() if entry.due]
        times += [self.now.mono_at(entry.expires) for entry in self.entries() if entry.expires and not running(entry)]
        due = self.book.agenda.next_due(self.now)
        assert not times or (due is not None and due <= min(times) + 1e-6)

    # -- the end -----------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            self.finish()
        finally:
            self.journal.close()

    def finish(self) -> None:
        """Nothing starves: with every queue open and one worker, all that is left ends in a bounded time."""
        for worker in list(self.book.workers.values()):
            self.uncount(list(worker.leases))
            self.book.die(worker.number, 0, Death(Cause.SHUTDOWN), self.now)
        for queue in QUEUES:
            self.book.agenda.pause(queue, paused=False)
        worker = self.join(1)
        for _ in range(8 * len(self.book.agenda.tasks) + 8):
            self.wait(1.0)
            for lease in list(worker.leases):
                self.book.complete(worker, Report(lease.number, Outcome.SUCCEEDED), self.now)
            self.book.ask(worker, 1, self.now)
            if not self.book.agenda.tasks:
                break
        self.settle()
        assert not self.book.agenda.tasks
        assert set(self.ended) == self.made
        self.wait(1000.0)
        assert self.book.agenda.next_due(self.now) is None, "nothing is left to wake up for"
        for unique in UNIQUES:
            assert self.book.agenda.uniques.holder(unique, self.now.wall) is None

    def entries(self) -> list[Entry]:
        return list(self.book.agenda.tasks.values())


class StrictOrderMachine(OrderMachine):
    """Without ageing: strictly by priority, then first in, first out."""

    ageing = None


def running(entry: Entry) -> bool:
    return entry.state is State.RUNNING


def described(entry: Entry) -> tuple[object, ...]:
    """What a restart has to give back."""
    due = entry.due.wall if entry.due else None
    return entry.id, entry.state, entry.priority, entry.kind, entry.keys, entry.expires, due, entry.attempts


def pick(choices: Sequence[T], number: int) -> T:
    return choices[number % len(choices)]
