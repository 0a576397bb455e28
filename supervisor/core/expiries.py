"""Tasks that are not to be started any more after a time."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from supervisor.core.entry import Entry
from supervisor.states import State

_WAITING = (State.SCHEDULED, State.RETRYING, State.QUEUED, State.BLOCKED)
_MOST_ENDED = 1000


class Expiries:
    """A heap by expiry, on the wall clock: a time of day is a time of day, however the clock is set."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Entry]] = []
        self._watched: set[int] = set()
        self._ended = 0

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def watches(self) -> bool:
        """Whether there is anything that may expire."""
        return bool(self._heap)

    def add(self, entry: Entry) -> None:
        """Watch this entry, unless it is watched already."""
        if entry.seq not in self._watched:
            self._watched.add(entry.seq)
            heapq.heappush(self._heap, (entry.expires, entry.seq, entry))

    def ended(self) -> None:
        """A watched entry has ended. It is let go of when most have: tasks end by the million before they expire."""
        self._ended += 1
        if self._ended > _MOST_ENDED and 2 * self._ended > len(self._heap):
            self._heap = [item for item in self._heap if not item[2].state.ended]
            heapq.heapify(self._heap)
            self._watched = {seq for _, seq, _ in self._heap}
            self._ended = 0

    def pop_due(self, wall: float) -> Iterator[Entry]:
        """The waiting entries whose time is over. One that runs is watched no more, until it is added again."""
        while self._heap and self._heap[0][0] <= wall:
            entry = self._pop()
            if entry.state in _WAITING:
                yield entry

    def next_wall(self) -> float | None:
        """When the next one expires."""
        while self._heap and self._heap[0][2].state.ended:
            self._pop()
        return self._heap[0][0] if self._heap else None

    def _pop(self) -> Entry:
        _, seq, entry = heapq.heappop(self._heap)
        self._watched.discard(seq)
        return entry
