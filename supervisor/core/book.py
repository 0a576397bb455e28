"""The book: who holds which task, and what may happen to it next.

A pure state machine, with the agenda of all unfinished tasks beneath it. Each method is one thing that happens in the
world; what it changed is in :attr:`Agenda.changes` until the broker takes it to the journal. Nothing here may be
answered to anyone before that.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from msgspec import Struct

from supervisor.core.agenda import Agenda
from supervisor.core.dealer import BatchPolicy, Dealer
from supervisor.core.entry import Attempt, Death, Entry, Failure, Lease, Worker
from supervisor.core.keys import NO_KEYS
from supervisor.core.moment import Moment
from supervisor.core.verdict import asks, judge
from supervisor.states import Cause, State
from supervisor.wire.messages import Hello, Outcome, Report

_REPORTED = {
    Outcome.RAISED: Cause.EXCEPTION,
    Outcome.SOFT_TIMEOUT: Cause.SOFT_TIMEOUT,
    Outcome.CANCELLED: Cause.CANCELLED,
    Outcome.RETRY: Cause.EXCEPTION,
    Outcome.REJECTED: Cause.REJECTED,
}
_SUCCEEDED = Outcome.SUCCEEDED
_OUTSIDE = (Cause.CANCELLED, Cause.SHUTDOWN, Cause.ABORT)
"""Deaths of a worker that are nothing of what runs there."""
HANDLER_SECONDS = 30.0
"""Hard limit of an error handler that is asked after a kill."""


class Handout(Struct, frozen=True, eq=False):
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
    """The workers, and the leases under which they hold tasks of the agenda."""

    def __init__(self, agenda: Agenda, batch: BatchPolicy | None = None) -> None:
        self.agenda = agenda
        self.leases: dict[int, Lease] = {}
        self.workers: dict[int, Worker] = {}
        self.dealer = Dealer(agenda.waiting, batch or BatchPolicy())
        self.draining = False
        """Nothing is handed out."""
        self._idle: dict[int, Worker] = {}
        """The workers that wait for a task."""
        self._next_lease = 1
        self.busy = 0
        """The workers that hold something."""

    def unfinished(self) -> dict[str, int]:
        """How many tasks there are in each state, but for those with none. Counted, not gone through."""
        found = {**self.agenda.waiting.counts(), State.RUNNING: len(self.leases)}
        return {state.value: count for state, count in found.items() if count}

    def cancel(self, task_id: bytes, now: Moment) -> tuple[Cancelled, Lease | None]:
        """Stop a task: at once where it waits, by way of the worker's lease where it runs."""
        entry = self.agenda.tasks.get(task_id)
        if entry is None:
            return Cancelled.UNKNOWN, None
        if entry.state is State.RUNNING:
            lease = self.leases[entry.lease]
            lease.cancelling = True
            self.agenda.changes.cancelling.append(entry.seq)  # its caller is told so, and that must outlive all of us
            return Cancelled.STOPPING, lease
        self.agenda.remove(entry, State.CANCELLED, Cause.CANCELLED, now)
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
        ready = self.agenda.waiting.ready
        if not self._idle or not ready or self.draining or self.agenda.closed:
            return handouts
        idle = list(self._idle.values())
        for position, worker in enumerate(idle):
            if not ready:
                break
            share = len(ready) // (len(idle) - position) or 1
            leases = [self._lease(entry, worker, now) for entry in self.dealer.deal(worker, share, now.mono)]
            if leases:
                del self._idle[worker.number]
                worker.wants = 0
                handouts.append(Handout(worker, leases))
        return handouts

    def backlog(self) -> int:
        """How many tasks could be handed out now, were there a worker that waits for one; 0 where there is."""
        if self._idle or self.draining or self.agenda.closed:
            return 0
        return self.agenda.waiting.ready.open()

    def complete(self, worker: Worker, report: Report, now: Moment) -> bool:
        """An attempt has ended by the worker's own word; False when the word came too late to count."""
        lease = self.leases.get(report.lease)
        if lease is None or lease.worker != worker.number:
            return False
        if lease.fenced is not None:
            lease.late = report
            return False
        entry, kind = lease.entry, lease.entry.kind
        if entry.asking is not None:
            self._answer(lease, report, now)
            return True
        self.dealer.pace.saw(kind.name, report.seconds)
        kind.tally.ran(report.seconds)
        if report.files:
            entry.files |= report.files
        if report.outcome is _SUCCEEDED:
            self.agenda.changes.results[entry.seq] = report.result
            self._drop(lease, now)
            self.agenda.end(entry, State.SUCCEEDED, now)
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
        worker = self.workers.get(number)
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
                failure = self._failure(lease, death)
                if lease.entry.asking is None and failure.cause is not Cause.SHUTDOWN:
                    lease.entry.kind.tally.ran(max(0.0, now.wall - lease.started_wall))
                self._fail(lease, failure, now)
        del self.workers[number]  # not before: its attempts tell the pid
        return worker

    def promote(self, generation: int) -> None:
        """The workers' code serves as this generation from now on (the newer code cannot be imported)."""
        for worker in self.workers.values():
            worker.generation = max(worker.generation, generation)

    def count_from(self, lease: int) -> None:
        """Number leases from here on: those before have been given out."""
        self._next_lease = max(self._next_lease, lease)

    # -- inside ------------------------------------------------------------------------------------------------

    def _lease(self, entry: Entry, worker: Worker, now: Moment) -> Lease:
        kind, runs, number, seq = entry.kind, entry.asking is None, self._next_lease, entry.seq
        timeout = kind.timeout if runs else HANDLER_SECONDS
        deadline = int((now.mono + timeout) * 1e9) if timeout is not None else 0
        lease = self.leases[number] = Lease(number, entry, worker.number, deadline, now.wall)
        self._next_lease = number + 1
        if not worker.leases:
            self._begin_work()
        worker.leases.append(lease)
        tally = kind.tally
        tally.running += 1
        tally.claimed = now.mono
        if runs:
            tally.start(entry, now.mono - entry.since)
        entry.lease = number
        entry.state = State.RUNNING
        if entry.keys is not NO_KEYS and runs:
            self.agenda.waiting.gates.enter(entry, number, now.mono)
            self.agenda.uniques.started(entry)
        changes = self.agenda.changes
        changes.touched[seq] = entry
        changes.leases[seq] = (lease, worker.pid)
        return lease

    def _begin_work(self) -> None:
        self.busy += 1
        tallies = self.agenda.kinds.tallies
        tallies.peak = max(tallies.peak, self.busy)

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
            self.agenda.ask_handler(entry, failure.cause)
        else:
            self.agenda.go_on(entry, state, failure.retry_in, now)
        if failure.cause is Cause.SHUTDOWN and entry.keys is not NO_KEYS:
            self.agenda.uniques.given_back(entry, now.wall)  # nothing is counted: it has not started

    # -- asking a task's error handler after a kill ----------------------------------------------------------------

    def _answer(self, lease: Lease, report: Report, now: Moment) -> None:
        """The handler has spoken. (One that raised has not: the usual rule holds, which is to go on.)"""
        if lease.cancelling:
            self._fail(lease, Failure(Cause.CANCELLED, message="it was cancelled"), now)
            return
        self._drop(lease, now)
        self.agenda.decide(lease.entry, again=report.outcome is not Outcome.REJECTED, retry_in=report.retry_in, now=now)

    def _fail_asking(self, lease: Lease, failure: Failure, now: Moment) -> None:
        """The worker that asked is gone. For a reason outside of it another asks, else the usual rule holds."""
        entry = lease.entry
        told = replace(failure, message=f"as its error handler was asked: {failure.message}")
        if failure.cause not in _OUTSIDE:
            self._record(lease, now, told, 0)
            self.agenda.decide(entry, again=True, retry_in=None, now=now)
            return
        number = entry.attempts + 1
        state = judge(entry, failure)
        self._record(lease, now, told, number)
        if state.ended:
            self.agenda.end(entry, state, now)
        elif entry.asking is not None:
            self.agenda.ask_handler(entry, entry.asking)

    def _record(self, lease: Lease, now: Moment, failure: Failure, number: int) -> None:
        """The lease is over, and not well: nobody can answer for it any more."""
        worker = self._drop(lease, now)
        lease.entry.kind.tally.causes[failure.cause.value] += 1
        pid = worker.pid if worker else 0
        self.agenda.changes.attempts.append(
            Attempt(lease.entry.seq, lease.number, number, lease.worker, pid, lease.started_wall, now.wall, failure)
        )

    def _drop(self, lease: Lease, now: Moment) -> Worker | None:
        """Nobody holds it any more; the worker that did, if it is still known."""
        del self.leases[lease.number]
        entry = lease.entry
        entry.kind.tally.running -= 1
        if entry.keys is not NO_KEYS:
            self.agenda.waiting.leave_gates(lease.number, now)
        worker = self.workers.get(lease.worker)
        if worker is not None and (held := worker.leases):
            if held[0] is lease:
                held.popleft()
            elif held[-1] is lease:
                held.pop()
            else:
                held.remove(lease)
            if not held:
                self.busy -= 1
        return worker

    def _release(self, lease: Lease, now: Moment) -> None:
        """Give the task back as if this lease had never been handed out, to the head of its line."""
        self.agenda.waiting.gates.give_back(lease.number, now.mono)
        self._drop(lease, now)
        entry = lease.entry
        if lease.cancelling:
            self.agenda.end_unstarted(entry, State.CANCELLED, Cause.CANCELLED, now)
            return
        self.agenda.give_back(entry, now)


def _failure_of(cause: Cause, report: Report) -> Failure:
    error = report.error
    if error is None:
        return Failure(cause, retry_in=report.retry_in)
    return Failure(cause, error.type, error.message, error.traceback, retry_in=report.retry_in)
