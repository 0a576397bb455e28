"""The tasks that no worker holds, each in the place where it waits: for its time, at a gate, or for a worker.

Those that wait for other tasks are only counted here: the dependencies know them.
"""

from __future__ import annotations

from collections.abc import Iterator

from supervisor.core.entry import Entry
from supervisor.core.expiries import Expiries
from supervisor.core.gates import Gates
from supervisor.core.later import LaterQueue
from supervisor.core.moment import Moment
from supervisor.core.ready import ReadyQueue
from supervisor.states import State


class Waiting:
    """A task is in one of these places, by its state, from the moment it is put there until it is taken or removed.

    ``ageing``: seconds of waiting that are worth one step of priority; 0 for none ever.
    """

    def __init__(self, ageing: float = 0.0) -> None:
        self.ready = ReadyQueue(ageing)
        self.gates = Gates(ageing)
        self.expiries = Expiries()
        self.later = LaterQueue()
        self.blocked = 0
        """How many wait for other tasks."""
        self._retrying = 0

    def counts(self) -> dict[State, int]:
        """How many there are in each state. Counted, not gone through."""
        return {
            State.QUEUED: len(self.ready) + len(self.gates),
            State.SCHEDULED: len(self.later) - self._retrying,
            State.RETRYING: self._retrying,
            State.BLOCKED: self.blocked,
        }

    def queue(self, entry: Entry, now: Moment) -> None:
        """Line up for a worker, at the end of the line; of several that were due, in the order of their times."""
        entry.state = State.QUEUED
        if entry.due is not None:
            entry.since = min(now.mono, entry.due.mono)
            entry.due = None
        else:
            entry.since = now.mono
        entry.kind.tally.line.append(entry)
        self.ready.push(entry)

    def requeue(self, entry: Entry) -> None:
        """Line up for a worker, at the old place."""
        entry.state = State.QUEUED
        entry.kind.tally.line.appendleft(entry)
        self.ready.push(entry)

    def postpone(self, entry: Entry, state: State, delay: float, now: Moment) -> None:
        """Wait for so many seconds first, in this state."""
        entry.state = state
        entry.due = Moment(now.mono + delay, now.wall + delay)
        self._put_later(entry)

    def block(self, entry: Entry) -> None:
        """Wait for other tasks, until :meth:`unblock` or :meth:`remove`."""
        entry.state = State.BLOCKED
        self._put_blocked(entry)

    def unblock(self, entry: Entry) -> None:
        """It waits for no other any more; where it goes, is for who knows of them."""
        self.blocked -= 1
        entry.kind.tally.later -= 1
        entry.kind.tally.blocked -= 1

    def restore(self, entry: Entry) -> None:
        """Take the place that its state tells."""
        if entry.state is State.QUEUED:
            entry.kind.tally.line.append(entry)
            self.ready.push(entry)
        elif entry.state in (State.SCHEDULED, State.RETRYING):
            self._put_later(entry)
        elif entry.state is State.BLOCKED:
            self._put_blocked(entry)

    def restore_all(self, alike: list[Entry]) -> None:
        """The same for several that are queued, of one kind, priority and generation, each after the one before."""
        alike[0].kind.tally.line.extend(alike)
        self.ready.push_all(alike)

    def move(self, entry: Entry, priority: int) -> None:
        """Give a task another priority, wherever it waits; it keeps its arrival."""
        if self.gates.holds(entry):
            self.gates.move(entry, priority)
        elif entry.state is State.QUEUED:
            self.ready.move(entry, priority)
        else:
            entry.priority = priority

    def hasten(self, entry: Entry) -> None:
        """Somebody cannot go on before this task has ended: where it waits for a worker, it is the next."""
        if entry.state is State.QUEUED and not self.gates.holds(entry):
            self.ready.hasten(entry)

    def remove(self, entry: Entry, before: State) -> None:
        """Let go of a task that has just ended, which waited in the state ``before``."""
        if before is State.BLOCKED:
            self.unblock(entry)
        elif before is not State.QUEUED:
            self._leave_later(entry, before)
            self.later.discard()
        elif self.gates.holds(entry):
            self.gates.drop(entry)
        else:
            self.ready.discard(entry)

    def pop_due(self, now: Moment) -> Iterator[Entry]:
        """The tasks whose time has come, taken out, and to be queued by the caller."""
        for entry in self.later.pop_due(now.mono):
            self._leave_later(entry, entry.state)
            yield entry

    def open_gates(self, now: Moment) -> None:
        """Let those that wait at gates try again, where there is a chance."""
        for entry in self.gates.due(now.mono):
            self.ready.push(entry)

    def leave_gates(self, lease: int, now: Moment) -> None:
        """A lease is over, which may have kept others at a gate."""
        for entry in self.gates.leave(lease, now.mono):
            self.ready.push(entry)

    def next_due(self, now: Moment) -> float | None:
        """The monotonic time at which the soonest is due, may try a gate, or expires."""
        soonest = self.later.next_due()
        gate = self.gates.next_time()
        if gate is not None:
            soonest = gate if soonest is None else min(soonest, gate)
        expiry = self.expiries.next_wall()
        if expiry is not None:
            due = now.mono_at(expiry)
            soonest = due if soonest is None else min(soonest, due)
        return soonest

    def _put_blocked(self, entry: Entry) -> None:
        self.blocked += 1
        entry.kind.tally.later += 1
        entry.kind.tally.blocked += 1

    def _put_later(self, entry: Entry) -> None:
        tally = entry.kind.tally
        tally.later += 1
        if entry.state is State.RETRYING:
            self._retrying += 1
            tally.retrying += 1
        self.later.push(entry)

    def _leave_later(self, entry: Entry, before: State) -> None:
        tally = entry.kind.tally
        tally.later -= 1
        if before is State.RETRYING:
            self._retrying -= 1
            tally.retrying -= 1
