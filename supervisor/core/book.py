"""The book: every unfinished task, who holds it, and what may happen to it next.

A pure state machine. Each method is one thing that happens in the world; what it changed is in :attr:`Book.changes`
until the broker takes it to the journal. Nothing here may be answered to anyone before that.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace
from enum import Enum

from supervisor.core.capacity import Capacity
from supervisor.core.changes import Changes
from supervisor.core.dealer import BatchPolicy, Dealer
from supervisor.core.entry import Attempt, Death, Entry, Failure, Lease, Worker
from supervisor.core.keys import NO_KEYS
from supervisor.core.kind import Kinds
from supervisor.core.moment import Moment
from supervisor.core.uniques import Uniques
from supervisor.core.verdict import answered, asks, judge
from supervisor.core.waiting import Waiting
from supervisor.states import Cause, State
from supervisor.wire.messages import Hello, Outcome, Report, Submission

_REPORTED = {
    Outcome.RAISED: Cause.EXCEPTION,
    Outcome.SOFT_TIMEOUT: Cause.SOFT_TIMEOUT,
    Outcome.CANCELLED: Cause.CANCELLED,
    Outcome.RETRY: Cause.EXCEPTION,
    Outcome.REJECTED: Cause.REJECTED,
}
_OUTSIDE = (Cause.CANCELLED, Cause.SHUTDOWN, Cause.ABORT)
"""Deaths of a worker that are nothing of what runs there."""
HANDLER_SECONDS = 30.0
"""Hard limit of an error handler that is asked after a kill."""
_UNSTARTED = {Cause.CANCELLED: "cancelled before it started", Cause.EXPIRED: "not started in the time given for it"}


@dataclass(frozen=True, slots=True)
class Handout:
    """Leases for one worker that waits."""

    worker: Worker
    leases: list[Lease]


class Cancelled(Enum):
    """What a cancel found."""

    REMOVED = "removed"
    """The task had not started; it is over."""
    STOPPING = "stopping"
    """It runs; it is being stopped."""
    UNKNOWN = "unknown"
    """No unfinished task has this id."""


class Book:
    """Unfinished tasks and the workers that hold them."""

    def __init__(
        self,
        kinds: Kinds,
        capacity: Capacity,
        batch: BatchPolicy | None = None,
        ageing: float = 0.0,
        seed: int | None = None,
    ) -> None:
        self.kinds = kinds
        self.capacity = capacity
        self.tasks: dict[bytes, Entry] = {}
        self.leases: dict[int, Lease] = {}
        self.workers: dict[int, Worker] = {}
        self.waiting = Waiting(ageing)
        self.uniques = Uniques()
        self.dealer = Dealer(self.waiting, batch or BatchPolicy())
        self.changes = Changes()
        self.draining = False
        """Nothing is handed out."""
        self.closed = False
        """Nothing is taken in."""
        self.ended_counts: Counter[str] = Counter()
        """Tasks that ended in each state since this book was opened."""
        self._idle: dict[int, Worker] = {}
        """The workers that wait for a task."""
        self._next_seq = 1
        self._next_lease = 1
        self._chance = random.Random(seed)

    # -- clients -----------------------------------------------------------------------------------------------

    def unfinished(self) -> dict[str, int]:
        """How many tasks there are in each state, but for those with none. Counted, not gone through."""
        found = {**self.waiting.counts(), State.RUNNING: len(self.leases)}
        return {state.value: count for state, count in found.items() if count}

    def submit(self, submission: Submission, now: Moment) -> Entry | None:
        """Take a task in; None when this very task is here already (a repeated call). The caller has seen
        that there is room.
        """
        if submission.id in self.tasks:
            return None
        entry = Entry(
            seq=self._next_seq,
            id=submission.id,
            kind=self.kinds.get(submission.name, submission.options),
            generation=submission.generation,
            state=State.QUEUED,
            created_wall=now.wall,
            files=submission.files,
            priority=submission.options.priority,
            keys=submission.keys,
            expires=now.wall + submission.expires if submission.expires else 0.0,
        )
        self._next_seq += 1
        self.hold(entry)
        self.changes.new[entry.seq] = submission
        if entry.keys.unique is not None:
            self.uniques.take(entry.keys.unique, entry.id, now.wall)
        self._watch(entry)
        delay = max(submission.delay, submission.eta - now.wall)
        if delay > 0:
            self._postpone(entry, State.SCHEDULED, delay, now)
        else:
            self._queue(entry, now)
        return entry

    def revive(self, entry: Entry, now: Moment) -> None:
        """Take up again a task that had ended, as a fresh one with its old id. The caller has seen that there
        is room, and that its unique key is free.
        """
        self.hold(entry)
        self.changes.revived.append(entry.seq)
        unique = entry.keys.unique
        if unique is not None and unique.until != "period":
            self.uniques.take(unique, entry.id, now.wall)
        self._queue(entry, now)

    def holder(self, submission: Submission, now: Moment) -> bytes | None:
        """The task that holds the unique key which this one asks for; None when it may be submitted."""
        unique = submission.keys.unique
        return None if unique is None else self.uniques.holder(unique, now.wall)

    def prioritise(self, task_id: bytes, priority: int) -> bool:
        """Give a task that has not started another priority; False when it has, or there is none."""
        entry = self.tasks.get(task_id)
        if entry is None or entry.state is State.RUNNING:
            return False
        self.waiting.move(entry, priority)
        self.changes.touched[entry.seq] = entry
        return True

    def pause(self, name: str, *, paused: bool) -> None:
        """Hand out nothing more from this queue, or again."""
        self.changes.queues[name] = self.waiting.ready.pause(name, paused=paused)

    def weigh(self, name: str, weight: float) -> None:
        """Give this queue so many turns where a queue of weight 1 has one."""
        queue = self.waiting.ready.queue(name)
        queue.weight = weight
        self.changes.queues[name] = queue

    def cancel(self, task_id: bytes, now: Moment) -> tuple[Cancelled, Lease | None]:
        """Stop a task: at once where it waits, by way of the worker's lease where it runs."""
        entry = self.tasks.get(task_id)
        if entry is None:
            return Cancelled.UNKNOWN, None
        if entry.state is State.RUNNING:
            lease = self.leases[entry.lease]
            lease.cancelling = True
            self.changes.cancelling.append(entry.seq)  # its caller is told so, and that must outlive all of us
            return Cancelled.STOPPING, lease
        self._end_waiting(entry, State.CANCELLED, Cause.CANCELLED, now)
        return Cancelled.REMOVED, None

    # -- workers -----------------------------------------------------------------------------------------------

    def hello(self, hello: Hello) -> Worker:
        """A worker has (re)connected. What it still holds stays its own until it asks for more."""
        worker = self.workers.get(hello.worker)
        if worker is None:
            worker = self.workers[hello.worker] = Worker(hello.worker, hello.slot, hello.pid, hello.generation)
        self._idle.pop(worker.number, None)
        worker.wants = 0
        return worker

    def ask(self, worker: Worker, most: int, now: Moment) -> int:
        """The worker wants at most ``most`` tasks, so it holds none: leases that it has not answered never reached it,
        and go back; how many there were.

        Not one that is fenced: its answer came too late, and the kill that is under way decides what becomes of it.
        """
        worker.wants = most
        held = list(worker.leases)
        if any(lease.fenced for lease in held):
            return 0
        for lease in reversed(held):
            self._release(lease, now)
        self._idle[worker.number] = worker
        return len(held)

    def leave(self, worker: Worker) -> None:
        """The worker's connection is gone; what it holds stays its own, for it may only be reconnecting."""
        self._idle.pop(worker.number, None)
        worker.wants = 0

    def assign(self, now: Moment) -> list[Handout]:
        """Hand tasks to the workers that wait. Several to one only where none is left waiting for them."""
        handouts: list[Handout] = []
        if self.draining or not self._idle or not len(self.waiting.ready):
            return handouts
        idle = list(self._idle.values())
        for position, worker in enumerate(idle):
            share = max(1, len(self.waiting.ready) // (len(idle) - position))
            leases = [self._lease(entry, worker, now) for entry in self.dealer.deal(worker, share, now.mono)]
            if leases:
                del self._idle[worker.number]
                worker.wants = 0
                handouts.append(Handout(worker, leases))
        return handouts

    def complete(self, worker: Worker, report: Report, now: Moment) -> bool:
        """An attempt has ended by the worker's own word; False when the word came too late to count."""
        lease = self.leases.get(report.lease)
        if lease is None or lease.worker != worker.number:
            return False
        if lease.fenced is not None:
            lease.late = report
            return False
        entry = lease.entry
        if entry.asking is not None:
            self._answer(lease, report, now)
            return True
        self.dealer.pace.saw(entry.kind.name, report.seconds)
        entry.files |= report.files
        if report.outcome is Outcome.SUCCEEDED:
            self.changes.results[entry.seq] = report.result
            self._drop(lease, now)
            self._end(entry, State.SUCCEEDED)
            return True
        cause = Cause.CANCELLED if lease.cancelling else _REPORTED[report.outcome]
        if cause is Cause.CANCELLED and not lease.cancelling:
            cause = Cause.EXCEPTION  # the task raised the error of a cancel that nobody asked for
        failure = _failure_of(cause, report)
        self._fail(lease, failure, now)
        return True

    def fence(self, number: int, cause: Cause) -> Lease | None:
        """No answer for this lease counts any more, since its worker is about to be killed; None if it is over."""
        lease = self.leases.get(number)
        if lease is None:
            return None
        lease.fenced = cause
        return lease

    def spare(self, number: int, now: Moment) -> bool:
        """The kill was called off, for the worker had gone on to something else: what it says of this lease, or has
        said since the fence, counts again. Whether it had said it.
        """
        lease = self.leases.get(number)
        if lease is None or lease.fenced is None:
            return False
        lease.fenced = None
        worker = self.workers[lease.worker]
        ended = lease.late is not None and self.complete(worker, lease.late, now)
        if worker.wants:
            self.ask(worker, worker.wants, now)
        return ended

    def revoke(self, worker: Worker, first: int, now: Moment) -> int:
        """Take back the leases from ``first`` on, which the worker has not started; how many there were."""
        back = [lease for lease in worker.leases if lease.number >= first and lease.fenced is None]
        for lease in reversed(back):
            self._release(lease, now)
        return len(back)

    def die(self, number: int, started: int, death: Death, now: Moment) -> Worker | None:
        """A worker's process is gone. ``started`` is the last lease it started: later ones go back uncounted.

        When it started none of what it was given, the first is charged all the same: a task that kills the worker
        on its way in must not come back for ever.
        """
        worker = self.workers.pop(number, None)
        if worker is None:
            return None
        self._idle.pop(number, None)
        held = list(worker.leases)
        if held and started < held[0].number and death.cause is not Cause.SHUTDOWN:
            started = held[0].number
        for lease in reversed(held):
            if lease.number > started:
                self._release(lease, now)
            else:
                self._fail(lease, self._failure(lease, death), now)
        return worker

    def promote(self, generation: int) -> None:
        """The workers' code serves as this generation from now on (the newer code cannot be imported)."""
        for worker in self.workers.values():
            worker.generation = max(worker.generation, generation)

    # -- time --------------------------------------------------------------------------------------------------

    def tick(self, now: Moment) -> None:
        """Queue what is due, end what has expired."""
        for entry in self.waiting.pop_due(now):
            self._queue(entry, now)
        self.waiting.open_gates(now)
        for entry in self.waiting.expiries.pop_due(now.wall):
            self._end_waiting(entry, State.EXPIRED, Cause.EXPIRED, now)

    def next_due(self, now: Moment) -> float | None:
        """The monotonic time of the next :meth:`tick` that can change anything."""
        return self.waiting.next_due(now)

    # -- restart: see also Restoration -------------------------------------------------------------------------

    def hold(self, entry: Entry) -> None:
        """This task is unfinished, and counts."""
        self.tasks[entry.id] = entry
        self.capacity.take(entry)

    def count_from(self, seq: int, lease: int) -> None:
        """Give out numbers from here on: those before have been seen."""
        self._next_seq = max(self._next_seq, seq)
        self._next_lease = max(self._next_lease, lease)

    def take_changes(self, now: Moment) -> Changes:
        """What changed since the last call, dated now."""
        taken, self.changes = self.changes, Changes()
        taken.wall = now.wall
        return taken

    # -- inside ------------------------------------------------------------------------------------------------

    def _lease(self, entry: Entry, worker: Worker, now: Moment) -> Lease:
        timeout = entry.kind.timeout if entry.asking is None else HANDLER_SECONDS
        deadline = int((now.mono + timeout) * 1e9) if timeout is not None else 0
        lease = Lease(self._next_lease, entry, worker.number, deadline, now.wall)
        self._next_lease += 1
        self.leases[lease.number] = lease
        worker.leases.append(lease)
        entry.lease = lease.number
        entry.state = State.RUNNING
        if entry.keys is not NO_KEYS and entry.asking is None:
            self.waiting.gates.enter(entry, lease.number, now.mono)
            self.uniques.started(entry)
        self.changes.touched[entry.seq] = entry
        self.changes.leases[entry.seq] = (lease, worker.pid)
        return lease

    def _failure(self, lease: Lease, death: Death) -> Failure:
        cause = lease.fenced or death.cause
        if lease.cancelling:
            cause = Cause.CANCELLED
        return Failure(cause, message=death.message, stack=death.stack)

    def _fail(self, lease: Lease, failure: Failure, now: Moment) -> None:
        entry = lease.entry
        if entry.asking is not None:
            self._fail_asking(lease, failure, now)
            return
        number = entry.attempts + 1
        state = judge(entry, failure)
        self._record(lease, now, failure, number)
        if not state.ended and asks(entry, failure.cause):
            self._line_up_to_ask(entry, failure.cause, now)
        else:
            self._go_on(entry, state, failure.retry_in, now)
        if failure.cause is Cause.SHUTDOWN and entry.keys is not NO_KEYS:
            self.uniques.given_back(entry, now.wall)  # nothing is counted: it has not started

    def _go_on(self, entry: Entry, state: State, retry_in: float | None, now: Moment) -> None:
        """Take a task, that no lease holds, to this state."""
        delay = 0.0
        if state is State.RETRYING:
            delay = retry_in if retry_in is not None else self._retry_delay(entry)
        if state.ended:
            self._end(entry, state)
        elif delay > 0:
            self._postpone(entry, state, delay, now)
        else:
            self._queue(entry, now)
        if not state.ended:
            self._watch(entry)  # where its time ran out while it ran, nobody watches that any more

    # -- asking a task's error handler after a kill ----------------------------------------------------------------

    def _line_up_to_ask(self, entry: Entry, cause: Cause, now: Moment) -> None:
        """Another worker is to run its error handler, as a step of the same task and in its old place."""
        entry.asking = cause
        self.changes.asking[entry.seq] = cause.value
        self.changes.touched[entry.seq] = entry
        self.waiting.requeue(entry)

    def _answer(self, lease: Lease, report: Report, now: Moment) -> None:
        """The handler has spoken. (One that raised has not: the usual rule holds, which is to go on.)"""
        if lease.cancelling:
            self._fail(lease, Failure(Cause.CANCELLED, message="it was cancelled"), now)
            return
        self._drop(lease, now)
        self._decide(lease.entry, again=report.outcome is not Outcome.REJECTED, retry_in=report.retry_in, now=now)

    def _decide(self, entry: Entry, *, again: bool, retry_in: float | None, now: Moment) -> None:
        assert entry.asking is not None
        state = answered(entry.asking, again=again)
        if state is State.QUEUED and retry_in:
            state = State.RETRYING  # a death of the process costs no delay, unless one is asked for
        entry.asking = None
        self.changes.asking[entry.seq] = ""
        self._go_on(entry, state, retry_in, now)

    def _fail_asking(self, lease: Lease, failure: Failure, now: Moment) -> None:
        """The worker that asked is gone. For a reason outside of it another asks, else the usual rule holds."""
        entry = lease.entry
        told = replace(failure, message=f"as its error handler was asked: {failure.message}")
        if failure.cause not in _OUTSIDE:
            self._record(lease, now, told, 0)
            self._decide(entry, again=True, retry_in=None, now=now)
            return
        number = entry.attempts + 1
        state = judge(entry, failure)
        self._record(lease, now, told, number)
        if state.ended:
            self._end(entry, state)
        elif entry.asking is not None:
            self._line_up_to_ask(entry, entry.asking, now)

    def _retry_delay(self, entry: Entry) -> float:
        return entry.kind.retries.seconds(entry.failures, self._chance.random())

    def _record(self, lease: Lease, now: Moment, failure: Failure, number: int) -> None:
        """The lease is over, and not well: nobody can answer for it any more."""
        worker = self._drop(lease, now)
        pid = worker.pid if worker else 0
        self.changes.attempts.append(
            Attempt(lease.entry.seq, lease.number, number, lease.worker, pid, lease.started_wall, now.wall, failure)
        )

    def _drop(self, lease: Lease, now: Moment) -> Worker | None:
        """Nobody holds it any more; the worker that did, if it is still known."""
        del self.leases[lease.number]
        if lease.entry.keys is not NO_KEYS:
            self.waiting.leave_gates(lease.number, now)
        worker = self.workers.get(lease.worker)
        if worker is not None and worker.leases:
            if worker.leases[0] is lease:
                worker.leases.popleft()
            else:
                worker.leases.remove(lease)
        return worker

    def _release(self, lease: Lease, now: Moment) -> None:
        """Give the task back as if this lease had never been handed out, to the head of its line."""
        self.waiting.gates.give_back(lease.number, now.mono)
        self._drop(lease, now)
        entry = lease.entry
        if lease.cancelling:
            self._end_unstarted(entry, State.CANCELLED, Cause.CANCELLED, now)
            return
        self.changes.touched[entry.seq] = entry
        self.waiting.requeue(entry)
        if entry.keys is not NO_KEYS:
            self.uniques.given_back(entry, now.wall)
        self._watch(entry)

    def _watch(self, entry: Entry) -> None:
        if entry.expires:
            self.waiting.expiries.add(entry)

    def _queue(self, entry: Entry, now: Moment) -> None:
        self.changes.touched[entry.seq] = entry
        self.waiting.queue(entry, now)

    def _postpone(self, entry: Entry, state: State, delay: float, now: Moment) -> None:
        self.changes.touched[entry.seq] = entry
        self.waiting.postpone(entry, state, delay, now)

    def _end_waiting(self, entry: Entry, state: State, cause: Cause, now: Moment) -> None:
        """End a task that waits, wherever it does."""
        before = entry.state
        self._end_unstarted(entry, state, cause, now)
        self.waiting.remove(entry, before)

    def _end_unstarted(self, entry: Entry, state: State, cause: Cause, now: Moment) -> None:
        """End a task that no worker has begun; recorded under lease 0, as an attempt that was none."""
        self._end(entry, state)
        failure = Failure(cause, message=_UNSTARTED[cause])
        self.changes.attempts.append(Attempt(entry.seq, 0, 0, 0, 0, now.wall, now.wall, failure))

    def _end(self, entry: Entry, state: State) -> None:
        entry.state = state
        self.ended_counts[state.value] += 1
        if entry.keys is not NO_KEYS:
            self.uniques.ended(entry)
        if entry.expires:
            self.waiting.expiries.ended()
        del self.tasks[entry.id]
        self.capacity.free(entry)
        self.changes.touched[entry.seq] = entry
        self.changes.ended[entry.id] = entry


def _failure_of(cause: Cause, report: Report) -> Failure:
    error = report.error
    if error is None:
        return Failure(cause, retry_in=report.retry_in)
    return Failure(cause, error.type, error.message, error.traceback, retry_in=report.retry_in)
