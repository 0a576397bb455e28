"""Tasks that are not to be started any more after a time."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from supervisor.core.entry import Entry
from supervisor.states import State

_WAITING = (State.SCHEDULED, State.RETRYING, State.QUEUED, State.BLOCKED)


class Expiries:
    """A heap by expiry, on the wall clock: a time of day is a time of day, however the clock is set."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Entry]] = []

    def add(self, entry: Entry) -> None:
        """Watch this entry."""
        heapq.heappush(self._heap, (entry.expires, entry.seq, entry))

    def pop_due(self, wall: float) -> Iterator[Entry]:
        """The waiting entries whose time is over."""
        while self._heap and self._heap[0][0] <= wall:
            entry = heapq.heappop(self._heap)[2]
            if entry.state in _WAITING:
                yield entry

    def next_wall(self) -> float | None:
        """When the next one expires."""
        return self._heap[0][0] if self._heap else None
