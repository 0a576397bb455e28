"""When a schedule fires: cron and interval, in a time zone, between two bounds. Pure.

A *slot* is a moment at which a schedule fires, in whole milliseconds since 1970. The slots of a timing are a sequence
that only the timing and its origin decide, wherever one starts to look: what has fired can be told from its slot.

Cron expressions are read by cronsim (maintained by the makers of Healthchecks; reads them as Debian's cron does) as
days and times of day. In the nights in which clocks are changed the rule is Debian's too, worked out here since
cronsim loses slots where clocks change at midnight: an expression whose minute or hour begins with ``*`` follows the
clock as it is shown; any other fires once a day it names: right after an hour that is skipped, and in the first of two.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from msgspec import Struct

from supervisor.core import zones

SECOND = 1000
_FIRST_YEARS = zones.naive(0)
_LATEST = zones.seconds(datetime(9000, 1, 1)) * SECOND  # noqa: DTZ001  a bound, whatever the zone
"""Python's dates end a thousand years later, and a search for a slot must not come near."""
_WINDOWS = (60 * SECOND, 3600 * SECOND, zones.DAY * SECOND, 32 * zones.DAY * SECOND, 400 * zones.DAY * SECOND)
"""How far back the latest slot is looked for, in turn."""


class Timing(Struct, frozen=True, omit_defaults=True):
    """When to fire: ``cron`` or ``every``, within bounds. All times are milliseconds."""

    cron: str = ""
    every: int = 0
    zone: str = "UTC"
    start: int | None = None
    start_in: int | None = None
    """The start as a time from the origin, which is when the schedule was first seen."""
    stop: int | None = None
    stop_in: int | None = None
    """The stop as a time from the start, or from the origin where there is none."""

    @property
    def floating(self) -> bool:
        """Whether the slots hang on the origin only, and on no time of day or date."""
        return bool(self.every) and self.start is None

    def fault(self) -> str:
        """Why this cannot be followed, as the end of a sentence; empty when it can."""
        try:
            zones.rules(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return f"there is no time zone {self.zone!r} on this machine"
        if any(abs(time or 0) > _LATEST for time in (self.every, self.start, self.start_in, self.stop, self.stop_in)):
            return "it starts or stops after the year 9000"
        if self.floating and self.start_in is None and self.stop_in is not None and self.stop_in < self.every:
            return "it stops before it fires for the first time; start=0 has it fire at once"
        if not self.cron:
            return "" if self.every > 0 else "neither cron nor every is given"
        try:
            found = next(CronSim(self.cron, _FIRST_YEARS), None)
        except CronSimError as error:
            return f"cron={self.cron!r} cannot be read: {str(error).lower()}"
        return "" if found else f"cron={self.cron!r} never fires"

    # -- slots -------------------------------------------------------------------------------------------------

    def after(self, moment: int, origin: int) -> int | None:
        """The first slot later than ``moment``; None when there is none."""
        return _after(self, moment, origin)

    def latest(self, low: int, high: int, origin: int) -> int | None:
        """The last slot later than ``low`` and not later than ``high``."""
        low, high = max(low, self._first(origin) - 1), self._most(high, origin)
        if self.every:
            begin = self._begin(origin)
            slot = begin + (high - begin) // self.every * self.every
            return slot if slot > low else None
        for window in (*_WINDOWS, high - low):
            near = max(low, high - window)
            if next(self._slots(near, high, origin), None) is not None:
                return self._last(near, high, origin)
            if near == low:
                break
        return None

    def _last(self, low: int, high: int, origin: int) -> int:
        """The last slot between two moments that have one between them: by halves, since there may be millions."""
        while high - low > _WINDOWS[0]:
            middle = (low + high) // 2
            if next(self._slots(middle, high, origin), None) is None:
                high = middle
            else:
                low = middle
        return deque(self._slots(low, high, origin), maxlen=1)[0]

    def count(self, low: int, high: int, origin: int, most: int) -> int:
        """How many slots are later than ``low`` and not later than ``high``; those of an expression up to ``most``."""
        low, high = max(low, self._first(origin) - 1), self._most(high, origin)
        if high <= low:
            return 0
        if self.every:
            begin = self._begin(origin)
            return (high - begin) // self.every - (low - begin) // self.every
        return sum(1 for _ in islice(self._slots(low, high, origin), most))

    def first(self, moment: int, origin: int) -> int | None:
        """:meth:`after`, worked out anew."""
        return next(self._slots(moment, self._end(origin), origin), None)

    def _slots(self, low: int, high: int | None, origin: int) -> Iterator[int]:
        low = max(low, self._first(origin) - 1)
        for slot in self._interval(low, origin) if self.every else self._cron(low):
            if high is not None and slot > high:
                return
            yield slot

    # -- bounds ------------------------------------------------------------------------------------------------

    def _begin(self, origin: int) -> int:
        """Where intervals are counted from."""
        return self.start if self.start is not None else origin + (self.start_in or 0)

    def _first(self, origin: int) -> int:
        """Before this there is no slot. An interval without a start fires first when it has gone by once."""
        if self.start is None and self.start_in is None:
            return origin + self.every if self.every else 0
        return self._begin(origin)

    def _end(self, origin: int) -> int | None:
        """After this there is no slot; None where there is no such bound."""
        if self.stop_in is not None:
            return self._begin(origin) + self.stop_in
        return self.stop

    def _most(self, high: int, origin: int) -> int:
        end = self._end(origin)
        return high if end is None else min(high, end)

    def bounds(self, origin: int) -> tuple[int | None, int | None]:
        """The start and the stop, where there are such."""
        open_start = self.start is None and self.start_in is None
        return None if open_start else self._begin(origin), self._end(origin)

    # -- the two sorts -----------------------------------------------------------------------------------------

    def _interval(self, low: int, origin: int) -> Iterator[int]:
        begin = self._begin(origin)
        slot = begin + ((low - begin) // self.every + 1) * self.every
        while True:
            yield slot
            slot += self.every

    def _cron(self, low: int) -> Iterator[int]:
        minute, hour = self.cron.split()[-5:-3]
        shown = minute.startswith("*") or hour.startswith("*")
        found = self._as_shown(low // SECOND) if shown else self._once_a_day(low // SECOND)
        return (second * SECOND for second in found)

    def _once_a_day(self, last: int) -> Iterator[int]:
        """Each time of day at the first instant that is right, or late enough, for it."""
        for shown in CronSim(self.cron, zones.naive(last + zones.offset(self.zone, last))):
            second = zones.instant(self.zone, shown)
            if second > last:
                last = second
                yield second

    def _as_shown(self, last: int) -> Iterator[int]:
        """Each instant at which the clocks show a time of day that is meant."""
        begin = last + 1
        while True:
            end, ahead = zones.steady_until(self.zone, begin), zones.offset(self.zone, begin)
            for shown in CronSim(self.cron, zones.naive(begin + ahead) - timedelta(seconds=1)):
                second = zones.seconds(shown) - ahead
                if second >= end:
                    # Clocks may have been changed until then, but not by more than a day.
                    begin = max(end, second - zones.DAY)
                    break
                yield second
            else:
                return


@lru_cache(maxsize=4096)
def _after(timing: Timing, moment: int, origin: int) -> int | None:
    return timing.first(moment, origin)
