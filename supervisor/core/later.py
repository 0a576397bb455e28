"""The tasks that wait for their time, soonest first."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from supervisor.core.entry import Entry
from supervisor.states import State

_WAITING = (State.SCHEDULED, State.RETRYING)
_MOST_STALE = 1000


class LaterQueue:
    """A heap of entries by due time. Removing is lazy, and bounded: what was cancelled is cleared away in bulk."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Entry]] = []
        self._stale = 0

    def __len__(self) -> int:
        return len(self._heap) - self._stale

    def push(self, entry: Entry) -> None:
        """Wait until ``entry.due``, which it has."""
        assert entry.due is not None
        heapq.heappush(self._heap, (entry.due.mono, entry.seq, entry))

    def discard(self) -> None:
        """One waiting entry has ended."""
        self._stale += 1
        if self._stale > _MOST_STALE and self._stale > len(self):
            self._heap = [item for item in self._heap if item[2].state in _WAITING]
            heapq.heapify(self._heap)
            self._stale = 0

    def is_due(self, mono: float) -> bool:
        """Whether :meth:`pop_due` has something to do."""
        return bool(self._heap) and self._heap[0][0] <= mono

    def pop_due(self, mono: float) -> Iterator[Entry]:
        """The entries whose time has come, taken out in the order of their times."""
        while (due := self.next_due()) is not None and due <= mono:
            yield heapq.heappop(self._heap)[2]

    def next_due(self) -> float | None:
        """The monotonic time at which the soonest is due."""
        while self._heap and self._heap[0][2].state not in _WAITING:
            heapq.heappop(self._heap)
            self._stale -= 1
        return self._heap[0][0] if self._heap else None
