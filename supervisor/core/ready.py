"""The tasks that wait for a worker, in the order in which they will get one.

Between named queues by weight, within a queue by priority, within a priority by arrival; for how waiting counts see
:mod:`supervisor.core.lines`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from supervisor.core.entry import Entry
from supervisor.core.lines import Line, Lines, Rank

DEFAULT = "default"
_MOST_STALE = 1000
_MOST_IDLE = 1000


@dataclass(slots=True)
class NamedQueue:
    """One queue, with lines for each generation of code that submitted."""

    name: str
    weight: float = 1.0
    paused: bool = False
    count: int = 0
    turn: float = 0.0
    """Its place in the round: the queue with the least goes next, and moves on by 1 / weight."""
    lines: dict[int, Lines] = field(default_factory=dict)

    def of(self, generation: int) -> Lines:
        """The lines of this generation."""
        found = self.lines.get(generation)
        if found is None:
            found = self.lines[generation] = Lines()
        return found

    def best(self, generation: int, now: float, ageing: float) -> Line | None:
        """The line whose head goes next, among those that a worker with this code may take."""
        if len(self.lines) == 1:  # as a rule: all of the code is of one generation
            for code, lines in self.lines.items():
                return lines.best(now, ageing) if code <= generation else None
        best: tuple[Rank, Line] | None = None
        for code, lines in self.lines.items():
            found = lines.ranked(now, ageing) if code <= generation else None
            if found is not None and (best is None or found[0] > best[0]):
                best = found
        self.lines = {code: lines for code, lines in self.lines.items() if len(lines)}
        return best[1] if best else None

    @property
    def usual(self) -> bool:
        """Whether it is as a new one would be."""
        return not self.count and not self.paused and self.weight == 1.0


Place = tuple[NamedQueue, Line]
"""A queue, and in it the line whose head goes next."""


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
        self._paused = False
        """Whether any queue ever was."""

    def __len__(self) -> int:
        return self._count

    def queue(self, name: str) -> NamedQueue:
        """The queue of this name, made when it is first heard of."""
        found = self.queues.get(name)
        if found is None:
            if len(self.queues) >= _MOST_IDLE:
                self.queues = {name: queue for name, queue in self.queues.items() if not queue.usual}
            found = self.queues[name] = NamedQueue(name)
        return found

    def open(self) -> int:
        """How many wait in queues that are not paused."""
        if not self._paused:
            return self._count
        return sum(queue.count for queue in self.queues.values() if not queue.paused)

    def pause(self, name: str, *, paused: bool) -> NamedQueue:
        """Hand out nothing more from a queue, or again; the queue."""
        queue = self.queue(name)
        self._paused = self._paused or paused
        if queue.paused and not paused:
            self._rejoin(queue)
        queue.paused = paused
        return queue

    def _rejoin(self, queue: NamedQueue) -> None:
        """A queue that stood aside joins the round where that is now: it has saved nothing up."""
        others = (each.turn for each in self.queues.values() if each.count and not each.paused and each is not queue)
        queue.turn = max(queue.turn, min(others, default=0.0))

    def push(self, entry: Entry) -> None:
        """Line up; at its old place, after a lease that did not count or a gate that opened."""
        queue = self.queues.get(entry.kind.queue) or self.queue(entry.kind.queue)
        if not queue.count and len(self.queues) > 1:
            self._rejoin(queue)
        queue.of(entry.generation).add(entry)
        queue.count += 1
        self._count += 1

    def push_all(self, alike: list[Entry]) -> None:
        """Line up several of one kind, priority and generation, each after the one before."""
        first, count = alike[0], len(alike)
        queue = self.queue(first.kind.queue)
        if not queue.count and len(self.queues) > 1:
            self._rejoin(queue)
        queue.of(first.generation).add_all(alike)
        queue.count += count
        self._count += count

    def discard(self, entry: Entry) -> None:
        """A queued entry has ended, by another way than :meth:`take`."""
        self.queue(entry.kind.queue).count -= 1
        self._count -= 1
        self._stale += 1
        if self._stale > _MOST_STALE and self._stale > self._count:
            self._clear()

    def _clear(self) -> None:
        for queue in self.queues.values():
            for lines in queue.lines.values():
                lines.clear_away()
        self._stale = 0

    def move(self, entry: Entry, priority: int) -> None:
        """Give a queued entry another priority; it keeps its arrival."""
        lines = self.queue(entry.kind.queue).of(entry.generation)
        lines.remove(entry)
        entry.priority = priority
        lines.add(entry)

    def hasten(self, entry: Entry) -> None:
        """Put a queued entry before all others of its queue."""
        self.queue(entry.kind.queue).of(entry.generation).hasten(entry)

    def next(self, generation: int, now: float) -> Place | None:
        """Where the entry stands that a worker with this code would get next."""
        if len(self.queues) == 1:
            (queue,) = self.queues.values()
            if not queue.count:
                return None
            line = None if queue.paused else queue.best(generation, now, self._ageing)
            return (queue, line) if line else None
        for queue in sorted(self.queues.values(), key=lambda queue: queue.turn):
            if queue.count and not queue.paused:
                line = queue.best(generation, now, self._ageing)
                if line:
                    return queue, line
        return None

    @property
    def alone(self) -> bool:
        """Whether all wait in one line, so that its head is the next."""
        if len(self.queues) != 1:
            return False
        (queue,) = self.queues.values()
        return len(queue.lines) == 1 and all(lines.alone for lines in queue.lines.values())

    def take(self, place: Place, *, turn: bool = True) -> Entry:
        """Take that entry out. ``turn``: it was its queue's turn, and not only to step aside."""
        queue, line = place
        queue.count -= 1
        self._count -= 1
        if turn:
            queue.turn += 1.0 / queue.weight
        return line.popleft()
