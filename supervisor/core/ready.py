"""The tasks that wait for a worker, in the order in which they will get one: priority first, then arrival."""

from __future__ import annotations

from collections import deque

from supervisor.core.entry import Entry
from supervisor.states import State

Line = deque[Entry]
_MOST_STALE = 1000


class ReadyQueue:
    """Entries by priority and by generation of code; a line is first in, first out.

    Removing is lazy: an entry that is no longer queued is skipped when it comes up, so cancelling one task in a
    million costs nothing. What nobody has come to skip is cleared away in bulk when it is the larger part.
    """

    def __init__(self) -> None:
        self._lines: dict[int, dict[int, Line]] = {}
        self._priorities: list[int] = []
        self._count = 0
        self._stale = 0

    def __len__(self) -> int:
        return self._count

    def push(self, entry: Entry, *, first: bool = False) -> None:
        """Line up, or go back to the head of the line after a lease that did not count."""
        priority = entry.kind.priority
        lines = self._lines.get(priority)
        if lines is None:
            lines = self._lines[priority] = {}
            self._priorities = sorted(self._lines, reverse=True)
        line = lines.get(entry.generation)
        if line is None:
            line = lines[entry.generation] = deque()
        if first:
            line.appendleft(entry)
        else:
            line.append(entry)
        self._count += 1

    def discard(self) -> None:
        """One queued entry has ended, by another way than :meth:`pop`."""
        self._count -= 1
        self._stale += 1
        if self._stale > _MOST_STALE and self._stale > self._count:
            self._clear()

    def peek(self, generation: int) -> Entry | None:
        """The entry that a worker with this code would get next."""
        line = self._best(generation)
        return line[0] if line else None

    def pop(self, generation: int) -> Entry | None:
        """Take that entry out."""
        line = self._best(generation)
        if not line:
            return None
        self._count -= 1
        return line.popleft()

    def _best(self, generation: int) -> Line | None:
        for priority in self._priorities:
            best: Line | None = None
            for code, line in self._lines[priority].items():
                while line and line[0].state is not State.QUEUED:
                    line.popleft()
                    self._stale -= 1
                if line and code <= generation and (best is None or line[0].seq < best[0].seq):
                    best = line
            if best is not None:
                return best
            self._tidy(priority)
        return None

    def _clear(self) -> None:
        for lines in self._lines.values():
            for code, line in lines.items():
                lines[code] = deque(entry for entry in line if entry.state is State.QUEUED)
        self._stale = 0

    def _tidy(self, priority: int) -> None:
        lines = self._lines[priority]
        for code in [code for code, line in lines.items() if not line]:
            del lines[code]
        if not lines:
            del self._lines[priority]
            self._priorities = sorted(self._lines, reverse=True)
