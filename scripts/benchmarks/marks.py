"""What has run, and when: a file that every worker maps, so that counting costs all peers the same half microsecond."""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path

VARIABLE = "BENCH_MARKS"
_SEATS = 64
_SEAT = struct.Struct("<qqq")
"""The process, and the monotonic nanoseconds of its first and of its last task."""
_HEAD = _SEATS * _SEAT.size


class Marks:
    """A byte for each task, and a seat for each process that has run some."""

    def __init__(self, path: Path, count: int = 0) -> None:
        if count:
            with path.open("wb") as file:
                file.truncate(_HEAD + count)
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._seat = -1
        self._pid = 0

    def note(self, number: int) -> None:
        """A task with this number runs, now and here."""
        now = time.monotonic_ns()
        if self._pid != os.getpid():
            self._sit_down(now)
        self._map[_HEAD + number] += 1
        struct.pack_into("<q", self._map, self._seat + 16, now)

    def _sit_down(self, now: int) -> None:
        self._pid = os.getpid()
        self._seat = self._pid % _SEATS * _SEAT.size
        _SEAT.pack_into(self._map, self._seat, self._pid, now, now)

    def count(self) -> int:
        """How many have run."""
        found = self._map[_HEAD:]
        return len(found) - found.count(0)

    def exact(self) -> bool:
        """Whether each has run once."""
        found = self._map[_HEAD:]
        return found.count(1) == len(found)

    def last_ns(self) -> int:
        """The monotonic nanoseconds of the last of them."""
        return max(_SEAT.unpack_from(self._map, place)[2] for place in range(0, _HEAD, _SEAT.size))

    def seconds(self) -> float:
        """From the first to the last of them."""
        seats = [_SEAT.unpack_from(self._map, place) for place in range(0, _HEAD, _SEAT.size)]
        times = [(first, last) for pid, first, last in seats if pid]
        spent: int = max(last for _, last in times) - min(first for first, _ in times)
        return spent / 1e9


_opened: list[Marks] = []


def note(number: int) -> int:
    """The task of every peer: note that it runs; its number is its result."""
    if not _opened:
        _opened.append(Marks(Path(os.environ[VARIABLE])))
    _opened[0].note(number)
    return number
