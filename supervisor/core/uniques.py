"""Unique keys: one task at a time holds each."""

from __future__ import annotations

import heapq

from supervisor.core.entry import Entry
from supervisor.core.keys import Unique


class Uniques:
    """Who holds which key. Times are wall-clock seconds: a period goes on while the supervisor is down."""

    def __init__(self) -> None:
        self._holders: dict[str, bytes] = {}
        self._periods: dict[str, float] = {}
        self._times: list[tuple[float, str]] = []

    def holder(self, unique: Unique, wall: float) -> bytes | None:
        """The id of the task that holds the key, or None when it is free."""
        self._forget(wall)
        return self._holders.get(unique.key)

    def take(self, unique: Unique, task_id: bytes, wall: float) -> None:
        """A task takes a free key."""
        self._holders[unique.key] = task_id
        if unique.until == "period":
            until = wall + unique.seconds
            self._periods[unique.key] = until
            heapq.heappush(self._times, (until, unique.key))

    def started(self, entry: Entry) -> None:
        """A task was handed out."""
        unique = entry.keys.unique
        if unique is not None and unique.until == "started":
            self._free(unique.key, entry.id)

    def given_back(self, entry: Entry, wall: float) -> None:
        """A task that was handed out has not started after all: its key is its own again, unless it was taken."""
        unique = entry.keys.unique
        if unique is not None and unique.until == "started" and self.holder(unique, wall) is None:
            self._holders[unique.key] = entry.id

    def ended(self, entry: Entry) -> None:
        """A task has ended, however; a period goes on."""
        unique = entry.keys.unique
        if unique is not None and unique.until != "period":
            self._free(unique.key, entry.id)

    def _free(self, key: str, task_id: bytes) -> None:
        if self._holders.get(key) == task_id:
            del self._holders[key]

    def _forget(self, wall: float) -> None:
        while self._times and self._times[0][0] <= wall:
            until, key = heapq.heappop(self._times)
            if self._periods.get(key) == until:
                del self._periods[key]
                self._holders.pop(key, None)
