"""When a schedule fires: cron and interval, in a time zone, between two bounds. Pure.

Cron expressions are read by cronsim (maintained by the makers of Healthchecks; follows Debian's cron, also in the
nights when the clocks change: a time that is skipped fires once, right after; one that comes twice fires once).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from cronsim import CronSim


class Misfire(StrEnum):
    """What becomes of firings that were missed, since the supervisor was down or the clock jumped."""

    ONCE = "once"
    """Run once for all of them."""
    SKIP = "skip"
    """Run none of them."""
    ALL = "all"
    """Run each of them."""


class Overlap(StrEnum):
    """What becomes of a firing while the task of an earlier one has not ended."""

    ALLOW = "allow"
    SKIP = "skip"
    QUEUE = "queue"
    """Run it after that one."""


@dataclass(frozen=True, slots=True)
class Timing:
    """When to fire; either ``cron`` or ``every``. Times are wall-clock seconds."""

    cron: str = ""
    every: float = 0.0
    """Seconds; counted from ``start``, or from when the schedule was first seen."""
    zone: str = "UTC"
    start: float | None = None
    stop: float | None = None

    def after(self, wall: float, origin: float) -> float | None:
        """The first slot later than ``wall``; None when there is none. ``origin`` is where an interval begins."""
        return next(self.slots(wall, origin), None)

    def slots(self, wall: float, origin: float) -> Iterator[float]:
        """The slots later than ``wall``, in order."""
        begin = origin if self.start is None else self.start
        source = self._cron(max(wall, begin - 1)) if self.cron else self._interval(wall, begin)
        for slot in source:
            if self.stop is not None and slot > self.stop:
                return
            if slot >= begin or not self.start:
                yield slot

    def _interval(self, wall: float, begin: float) -> Iterator[float]:
        number = max(0, int((wall - begin) // self.every) + 1)
        while True:
            yield begin + number * self.every
            number += 1

    def _cron(self, wall: float) -> Iterator[float]:
        local = datetime.fromtimestamp(wall, UTC).astimezone(ZoneInfo(self.zone))
        for moment in CronSim(self.cron, local):
            yield moment.timestamp()


@dataclass(frozen=True, slots=True)
class Due:
    """What a look at a schedule found."""

    slots: list[float]
    """The slots to run now."""
    missed: int
    """Slots that were passed over."""
    next_at: float | None


def look(timing: Timing, last: float, origin: float, now: float, policy: Misfire, grace: float) -> Due:
    """What is to run at ``now``, when ``last`` was the last slot that was dealt with.

    A slot up to ``grace`` seconds old is on time; older ones were missed, and ``policy`` says what becomes of them.
    ``last`` only grows, so a clock that is set back makes no slot fire twice.
    """
    on_time: list[float] = []
    missed: list[float] = []
    next_at: float | None = None
    for slot in timing.slots(last, origin):
        if slot > now:
            next_at = slot
            break
        (on_time if now - slot <= grace else missed).append(slot)
    run = list(on_time)
    if missed and policy is Misfire.ALL:
        run = missed + on_time
    elif missed and policy is Misfire.ONCE and not on_time:
        run = [missed[-1]]
    return Due(run, len(missed) + len(on_time) - len(run), next_at)
