"""The tasks that wait for a worker, in the order in which they will get one.

Between named queues by weight, within a queue by priority, within a priority by arrival. A task that waits gains
priority with time, so that none starves; never above :data:`HIGH`, so that what is urgent stays so.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from supervisor.core.entry import Entry
from supervisor.states import State

HIGH = 10
"""Ageing lifts no task above this priority."""
DEFAULT = "default"
_MOST_STALE = 1000
Line = deque[Entry]


@dataclass(slots=True)
class NamedQueue:
    """One queue: lines by priority and by generation of code; a line is first in, first out."""

    name: str
    weight: float = 1.0
    paused: bool = False
    count: int = 0
    turn: float = 0.0
    """Its place in the round: the queue with the least goes next, and moves on by 1 / weight."""
    lines: dict[int, dict[int, Line]] = field(default_factory=dict)
    priorities: list[int] = field(default_factory=list)

    def line(self, priority: int, generation: int) -> Line:
        """The line of this priority and generation."""
        lines = self.lines.get(priority)
        if lines is None:
            lines = self.lines[priority] = {}
            self.priorities = sorted(self.lines, reverse=True)
        found = lines.get(generation)
        if found is None:
            found = lines[generation] = deque()
        return found

    def best(self, generation: int, now: float, ageing: float) -> Line | None:
        """The line whose head goes next, among those that a worker with this code may take.

        With ageing the head of each line is its oldest, so comparing the heads is enough.
        """
        best: Line | None = None
        best_rank = (float("-inf"), 0)
        for priority in self.priorities:
            if best is not None and not (ageing and priority < HIGH):
                break  # no later line can do better
            for code, line in self.lines[priority].items():
                while line and line[0].state is not State.QUEUED:
                    line.popleft()
                if line and code <= generation:
                    rank = (aged(priority, now - line[0].since, ageing), -line[0].seq)
                    if best is None or rank > best_rank:
                        best, best_rank = line, rank
        if best is None:
            self._tidy()
        return best

    def _tidy(self) -> None:
        for priority in list(self.lines):
            lines = self.lines[priority]
            for code in [code for code, line in lines.items() if not line]:
                del lines[code]
            if not lines:
                del self.lines[priority]
        self.priorities = sorted(self.lines, reverse=True)


def aged(priority: int, waited: float, ageing: float) -> float:
    """The priority of a task that has waited so many seconds, gaining 1 each ``ageing`` seconds (0: never)."""
    if not ageing or priority >= HIGH:
        return float(priority)
    return min(float(HIGH), priority + waited / ageing)


class ReadyQueue:
    """Every named queue. ``ageing``: seconds of waiting that are worth one step of priority; 0 for none ever.

    Removing is lazy: an entry that is no longer queued is skipped when it comes up, so cancelling one task in a
    million costs nothing. What nobody has come to skip is cleared away in bulk when it is the larger part.
    """

    def __init__(self, ageing: float = 0.0) -> None:
        self._ageing = ageing
        self.queues: dict[str, NamedQueue] = {}
        self._count = 0
        self._stale = 0

    def __len__(self) -> int:
        return self._count

    def queue(self, name: str) -> NamedQueue:
        """The queue of this name, made when it is first heard of."""
        found = self.queues.get(name)
        if found is None:
            found = self.queues[name] = NamedQueue(name)
        return found

    def push(self, entry: Entry, *, first: bool = False) -> None:
        """Line up; ``first``: at its old place, after a lease that did not count or a gate that opened."""
        queue = self.queue(entry.kind.queue)
        if not queue.count:
            # A queue that was empty joins the round where it is now: it has saved nothing up.
            queue.turn = max(queue.turn, min((q.turn for q in self.queues.values() if q.count), default=0.0))
        line = queue.line(entry.priority, entry.generation)
        if first:
            _insert(line, entry)
        else:
            line.append(entry)
        queue.count += 1
        self._count += 1

    def discard(self, entry: Entry) -> None:
        """A queued entry has ended, by another way than :meth:`pop`."""
        self.queue(entry.kind.queue).count -= 1
        self._count -= 1
        self._stale += 1
        if self._stale > _MOST_STALE and self._stale > self._count:
            self._clear()

    def _clear(self) -> None:
        for queue in self.queues.values():
            for lines in queue.lines.values():
                for code, line in lines.items():
                    lines[code] = deque(entry for entry in line if entry.state is State.QUEUED)
        self._stale = 0

    def move(self, entry: Entry, priority: int) -> None:
        """Give a queued entry another priority; it keeps its arrival."""
        queue = self.queue(entry.kind.queue)
        line = queue.line(entry.priority, entry.generation)
        del line[next(place for place, found in enumerate(line) if found is entry)]
        entry.priority = priority
        _insert(queue.line(priority, entry.generation), entry)

    def peek(self, generation: int, now: float) -> Entry | None:
        """The entry that a worker with this code would get next."""
        found = self._next(generation, now)
        return found[1][0] if found else None

    def pop(self, generation: int, now: float) -> Entry | None:
        """Take that entry out."""
        found = self._next(generation, now)
        if found is None:
            return None
        queue, line = found
        queue.count -= 1
        queue.turn += 1.0 / queue.weight
        self._count -= 1
        return line.popleft()

    def _next(self, generation: int, now: float) -> tuple[NamedQueue, Line] | None:
        if len(self.queues) == 1:
            (queue,) = self.queues.values()
            line = None if queue.paused else queue.best(generation, now, self._ageing)
            return (queue, line) if line else None
        for queue in sorted(self.queues.values(), key=lambda queue: queue.turn):
            if queue.count and not queue.paused:
                line = queue.best(generation, now, self._ageing)
                if line:
                    return queue, line
        return None


def _insert(line: Line, entry: Entry) -> None:
    """Put an entry where its arrival says: as a rule to the head, for all others came later."""
    passed: list[Entry] = []
    while line and line[0].seq < entry.seq:
        passed.append(line.popleft())
    line.appendleft(entry)
    line.extendleft(reversed(passed))
