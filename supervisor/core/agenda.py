"""The agenda: every unfinished task, where it waits, and how it ends."""

from __future__ import annotations

import random
from collections.abc import Mapping
from types import MappingProxyType

from supervisor.core.blocks import Blocks
from supervisor.core.capacity import Capacity
from supervisor.core.changes import Changes
from supervisor.core.dependencies import Dependencies, End, Fault
from supervisor.core.entry import Attempt, Entry, Failure
from supervisor.core.keys import NO_KEYS
from supervisor.core.kind import Kinds
from supervisor.core.moment import Moment
from supervisor.core.ties import Bond, Fate
from supervisor.core.uniques import Uniques
from supervisor.core.verdict import answered
from supervisor.core.waiting import Waiting
from supervisor.states import Cause, State
from supervisor.wire.messages import Files, Submission

_UNSTARTED = {Cause.CANCELLED: "cancelled before it started", Cause.EXPIRED: "not started in the time given for it"}


_QUEUED = State.QUEUED
_DEEP = 50_000
_NO_ENDS: Mapping[bytes, End] = MappingProxyType({})


class Agenda:
    """Tasks from their submit to their end, but for the time that a worker holds them: that is for the book.

    ``ageing``: seconds of waiting that are worth one step of priority, 0 for none ever. ``seed``: of the jitter.
    """

    def __init__(self, kinds: Kinds, capacity: Capacity, ageing: float = 0.0, seed: int | None = None) -> None:
        self.kinds = kinds
        self.capacity = capacity
        self.tasks: dict[bytes, Entry] = {}
        self.waiting = Waiting(ageing)
        self.uniques = Uniques()
        self.dependencies = Dependencies()
        self.blocks = Blocks()
        self.changes = Changes()
        self.closed = False
        """Nothing is taken in."""
        self._next_seq = 1
        self._most = 0
        """How many tasks there were at most since the last :meth:`shrink` that did something."""
        self._fallen: list[Entry] = []
        """Tasks that have ended this moment, the children of which are being told."""
        self._chance = random.Random(seed)

    # -- clients -----------------------------------------------------------------------------------------------

    def submit(self, submission: Submission, now: Moment, ends: Mapping[bytes, End] = _NO_ENDS) -> Entry | None:
        """Take a task in; None when this very task is here already (a repeated call). The caller has seen
        that there is room. ``ends`` tells how those of its parents ended that have; the others are here.
        """
        task_id, options, seq = submission.id, submission.options, self._next_seq
        if task_id in self.tasks:
            return None
        kind = self.kinds.get(submission.name, options)
        entry = Entry(seq, task_id, kind, submission.generation, _QUEUED)
        entry.files, entry.priority = submission.files, options.priority
        self._next_seq = seq + 1
        self.hold(entry)
        self.changes.new[seq] = submission
        if submission.keys is not None or submission.expires or submission.context is not None:
            self._outfit(entry, submission, now)
        if submission.ties is not None:
            entry.bond = Bond(submission.ties, submission.delay, submission.eta)
            self._tie(entry, entry.bond, ends, now)
        elif (delay := max(submission.delay, submission.eta - now.wall)) > 0:
            self._postpone(entry, State.SCHEDULED, delay, now)
        else:
            self._queue(entry, now)
        return entry

    def _outfit(self, entry: Entry, submission: Submission, now: Moment) -> None:
        """Give it what only some tasks have."""
        if submission.keys is not None:
            entry.keys = submission.keys
            if entry.keys.unique is not None:
                self.uniques.take(entry.keys.unique, entry.id, now.wall)
        if submission.context is not None:
            entry.files |= Files.CONTEXT
            self.changes.contexts.append((entry.seq, submission.context))
        if submission.expires:
            entry.expires = now.wall + submission.expires
            self.waiting.expiries.add(entry)

    def revive(self, entry: Entry, now: Moment, ends: Mapping[bytes, End] = _NO_ENDS) -> None:
        """Take up again a task that had ended, as a fresh one with its old id. The caller has seen that there
        is room, that its unique key is free, and that no unfinished task has taken its end into account. Its own
        parents count as they are now.
        """
        self.hold(entry)
        self.changes.revived.append(entry.seq)
        unique = entry.keys.unique
        if unique is not None and unique.until != "period":
            self.uniques.take(unique, entry.id, now.wall)
        if entry.bond is not None:
            self._tie(entry, entry.bond, ends, now)
        else:
            self._queue(entry, now)

    def holder(self, submission: Submission, now: Moment) -> bytes | None:
        """The task that holds the unique key which this one asks for; None when it may be submitted."""
        unique = submission.keys.unique if submission.keys is not None else None
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

    def take_changes(self, now: Moment) -> Changes:
        """What changed since the last call, dated now."""
        taken, self.changes = self.changes, Changes()
        taken.wall = now.wall
        if self.blocks.moved:
            taken.blocks = self.blocks.take_moved()
        return taken

    # -- what becomes of a task ----------------------------------------------------------------------------------

    def give_back(self, entry: Entry, now: Moment) -> None:
        """A task was handed out, and that did not count: it has its old place again."""
        self.changes.touched[entry.seq] = entry
        self.waiting.requeue(entry)
        if entry.keys is not NO_KEYS:
            self.uniques.given_back(entry, now.wall)
        self._watch(entry)

    def go_on(self, entry: Entry, state: State, retry_in: float | None, now: Moment) -> None:
        """Take a task, that no lease holds, to this state."""
        delay = 0.0
        if state is State.RETRYING:
            usual = entry.kind.retries.seconds(entry.counts.failures, self._chance.random())
            delay = usual if retry_in is None else retry_in
        if state.ended:
            self.end(entry, state, now)
        elif delay > 0:
            self._postpone(entry, state, delay, now)
        else:
            self._queue(entry, now)
        if not state.ended:
            self._watch(entry)  # where its time ran out while it ran, nobody watches that any more

    def ask_handler(self, entry: Entry, cause: Cause) -> None:
        """Another worker is to run its error handler, as a step of the same task and in its old place."""
        entry.asking = cause
        self.changes.asking[entry.seq] = cause.value
        self.changes.touched[entry.seq] = entry
        self.waiting.requeue(entry)

    def decide(self, entry: Entry, *, again: bool, retry_in: float | None, now: Moment) -> None:
        """A task's error handler was asked about a kill, and has said whether there is to be another attempt."""
        assert entry.asking is not None
        state = answered(entry.asking, again=again)
        if state is State.QUEUED and retry_in:
            state = State.RETRYING  # a death of the process costs no delay, unless one is asked for
        entry.asking = None
        self.changes.asking[entry.seq] = ""
        self.go_on(entry, state, retry_in, now)

    def remove(self, entry: Entry, state: State, cause: Cause, now: Moment) -> None:
        """End a task that waits, wherever it does."""
        before = entry.state
        self.end_unstarted(entry, state, cause, now)
        self.waiting.remove(entry, before)

    def end_unstarted(self, entry: Entry, state: State, cause: Cause, now: Moment) -> None:
        """End a task that no worker has begun; recorded under lease 0, as an attempt that was none."""
        self._record_unstarted(entry, cause, _UNSTARTED[cause], now)
        self.end(entry, state, now)

    def end(self, entry: Entry, state: State, now: Moment) -> None:
        """A task that waits nowhere, and that nobody holds, has ended; and with it what depends on that."""
        entry.state = state
        tally = entry.kind.tally
        tally.unfinished -= 1
        if state is State.SUCCEEDED:
            tally.succeeded += 1
        else:
            tally.ended[state.value] += 1
        if entry.keys is not NO_KEYS:
            self.uniques.ended(entry)
        if entry.expires:
            self.waiting.expiries.ended()
        task_id, changes = entry.id, self.changes
        del self.tasks[task_id]
        self.capacity.free(entry)
        self.blocks.free(entry.seq)
        if entry.bond is not None:
            self.dependencies.leave(entry)
        changes.touched[entry.seq] = entry
        changes.ended[task_id] = entry
        if task_id in self.dependencies.children:
            self._tell_children(entry, now)

    # -- time --------------------------------------------------------------------------------------------------

    def tick(self, now: Moment) -> None:
        """Queue what is due, end what has expired."""
        waiting = self.waiting
        if waiting.later.is_due(now.mono):
            for entry in waiting.pop_due(now):
                self._queue(entry, now)
        if waiting.gates.next_time() is not None:
            waiting.open_gates(now)
        if waiting.expiries.watches:
            for entry in waiting.expiries.pop_due(now.wall):
                self.remove(entry, State.EXPIRED, Cause.EXPIRED, now)

    def next_due(self, now: Moment) -> float | None:
        """The monotonic time of the next :meth:`tick` that can change anything."""
        return self.waiting.next_due(now)

    # -- restart: see also Restoration -------------------------------------------------------------------------

    def hold(self, entry: Entry) -> None:
        """This task is unfinished, and counts."""
        self.tasks[entry.id] = entry
        entry.kind.tally.unfinished += 1
        self.capacity.take(entry)
        self.blocks.take(entry.seq)

    def hold_all(self, alike: list[Entry]) -> None:
        """The same for several of one kind and one block."""
        first, count = alike[0], len(alike)
        self.tasks.update([(entry.id, entry) for entry in alike])
        first.kind.tally.unfinished += count
        self.capacity.take(first, count)
        self.blocks.take(first.seq, count)

    @property
    def last_seq(self) -> int:
        """The number of the task that came last; 0 for none."""
        return self._next_seq - 1

    def count_from(self, seq: int) -> None:
        """Give out numbers from here on: those before have been seen."""
        self._next_seq = max(self._next_seq, seq)

    def shrink(self) -> bool:
        """Once a second or so: give back the place of a deep queue that is gone, which a dict keeps for ever; whether
        there was one.
        """
        held = len(self.tasks)
        self._most = max(self._most, held)
        if self._most > _DEEP and held < self._most // 4:
            self.tasks = dict(self.tasks)
            self._most = held
            return True
        return False

    def resume(self, entry: Entry, bond: Bond, ends: Mapping[bytes, End], now: Moment) -> None:
        """Tie an unfinished task again, as it was."""
        entry.bond = bond
        fault = self.dependencies.join(entry, ends)
        if entry.state is State.BLOCKED and (fault is not None or not bond.left):
            # It cannot be, for all of it was written at once; but nobody is to wait for ever.
            self.waiting.unblock(entry)
            self._go_on_tied(entry, bond, fault, now)

    # -- ties --------------------------------------------------------------------------------------------------

    def _tie(self, entry: Entry, bond: Bond, ends: Mapping[bytes, End], now: Moment) -> None:
        """A task with ties has come in."""
        new = self.changes.new_ties()
        new.bonds[entry.seq] = bond
        if bond.ties.group:
            new.members.append((bond.ties, entry.seq, entry.id))
        fault = self.dependencies.join(entry, ends)
        if fault is None and bond.left:
            self.changes.touched[entry.seq] = entry
            self.waiting.block(entry)
        else:
            self._go_on_tied(entry, bond, fault, now)

    def _go_on_tied(self, entry: Entry, bond: Bond, fault: Fault | None, now: Moment) -> None:
        """What comes for a task that waits for no other any more."""
        if fault is not None:
            self._record_unstarted(entry, Cause.PARENT, fault.sentence, now)
            self.end(entry, State.CANCELLED if fault.fate is Fate.CANCEL else State.FAILED, now)
        elif (delay := max(bond.delay, bond.eta - now.wall)) > 0:
            self._postpone(entry, State.SCHEDULED, delay, now)
        else:
            self._queue(entry, now)

    def _tell_children(self, entry: Entry, now: Moment) -> None:
        """A task has ended that others depend on. Those that fall with it have theirs told after it, and not from
        within: chains may be as long as they like.
        """
        self._fallen.append(entry)
        if len(self._fallen) > 1:
            return
        for parent in self._fallen:
            end = End(parent.kind.name, parent.state)
            for child, bond in self.dependencies.waiting_for(parent.id):
                fault = self.dependencies.count(bond, parent.id, end)
                if fault is None and bond.left:
                    continue
                self.waiting.unblock(child)
                self._go_on_tied(child, bond, fault, now)
        self._fallen.clear()

    def _record_unstarted(self, entry: Entry, cause: Cause, message: str, now: Moment) -> None:
        entry.kind.tally.causes[cause.value] += 1
        attempt = Attempt(entry.seq, 0, 0, 0, 0, now.wall, now.wall, Failure(cause, message=message))
        self.changes.attempts.append(attempt)

    # -- inside ------------------------------------------------------------------------------------------------

    def _watch(self, entry: Entry) -> None:
        if entry.expires:
            self.waiting.expiries.add(entry)

    def _queue(self, entry: Entry, now: Moment) -> None:
        self.changes.touched[entry.seq] = entry
        self.waiting.queue(entry, now)

    def _postpone(self, entry: Entry, state: State, delay: float, now: Moment) -> None:
        self.changes.touched[entry.seq] = entry
        self.waiting.postpone(entry, state, delay, now)
