"""How many unfinished tasks there may be: in all, and in single named queues."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from supervisor.core.entry import Entry


class Capacity:
    """Counts those that are in. ``queues``: limits of single named queues, which have to keep the one of all too."""

    def __init__(self, limit: int, queues: Mapping[str, int] | None = None) -> None:
        self.limit = limit
        self.queues = queues or {}
        self.held: Counter[str] = Counter()
        """How many each queue with a limit holds."""
        self._count = 0

    def take(self, entry: Entry, count: int = 1) -> None:
        """A task, or several like it, has come in. Whether there was room is for the caller to ask before."""
        self._count += count
        if self.queues and entry.kind.queue in self.queues:
            self.held[entry.kind.queue] += count

    def free(self, entry: Entry) -> None:
        """A task has ended."""
        self._count -= 1
        if self.queues and entry.kind.queue in self.queues:
            self.held[entry.kind.queue] -= 1

    @property
    def tight(self) -> bool:
        """Whether :meth:`lacking` has to be asked for a single task: all is full, or some queue has a limit."""
        return self._count >= self.limit or bool(self.queues)

    def lacking(self, queues: Sequence[str]) -> tuple[int] | tuple[int, str] | None:
        """The limit, and the queue if it is one's own, that one task more in each of these would pass; None if none."""
        if queues and self._count + len(queues) > self.limit:
            return (self.limit,)
        for name, limit in self.queues.items():
            more = queues.count(name)
            if more and self.held[name] + more > limit:
                return limit, name
        return None
