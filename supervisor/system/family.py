"""What processes use, with all that they started: CPU time and memory, from /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

from supervisor.system import proc

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one process, or of several together."""

    processes: int
    cpu_seconds: float
    cpu_percent: float
    """Since the last look; at first since the start of the processes. 100 is one CPU."""
    rss: int
    """Resident bytes; pages that processes share count in each."""


class Meter:
    """Remembers what it saw, so that the next look can tell what was used in between."""

    def __init__(self) -> None:
        self._seen: dict[proc.Identity, tuple[float, float]] = {}
        """Seconds of CPU, and when it was looked."""

    def total(self, roots: Iterable[int]) -> Usage:
        """The usage of all of these with all their descendants together, each counted once."""
        pids = {each for root in roots for each in (root, *proc.descendants(root))}
        seen: dict[proc.Identity, tuple[float, float]] = {}
        found = self._family(sorted(pids), _since_boot(), seen)
        self._seen = seen
        return found

    def look(self, roots: Iterable[int]) -> dict[int, Usage]:
        """The usage of each of these with all its descendants. Those that are gone have used nothing."""
        now = _since_boot()
        seen: dict[proc.Identity, tuple[float, float]] = {}
        found = {root: self._family([root, *proc.descendants(root)], now, seen) for root in roots}
        self._seen = seen
        return found

    def _family(self, pids: list[int], now: float, seen: dict[proc.Identity, tuple[float, float]]) -> Usage:
        count, seconds, percent, rss = 0, 0.0, 0.0, 0
        for pid in pids:
            times = proc.times(pid)
            if times is None:
                continue
            who, used = times
            before, looked = self._seen.get(who, (0.0, who.start / _TICK))
            seen[who] = used, now
            count += 1
            seconds += used
            percent += 100.0 * max(0.0, used - before) / max(now - looked, 1.0 / _TICK)
            rss += proc.resident_bytes(pid)
        return Usage(count, seconds, percent, rss)


def _since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
