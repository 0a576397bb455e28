"""Clocks as they are shown: from a time of day in a zone to the instant it stands for, and back. Pure.

Instants are whole seconds since 1970, times of day are datetimes without a zone. The zones are the system's (or those
of the tzdata package), by way of the standard library.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  a time of day, whatever the zone
_SECOND = timedelta(seconds=1)
DAY = 86_400


def seconds(naive: datetime) -> int:
    """The seconds since 1970 that a time of day stands for in UTC."""
    return (naive - _EPOCH) // _SECOND


def naive(second: int) -> datetime:
    """The time of day in UTC."""
    return _EPOCH + second * _SECOND


def rules(zone: str) -> tzinfo:
    """How a zone's clocks are set. UTC is known on a machine without a time zone database, too."""
    return UTC if zone == "UTC" else ZoneInfo(zone)


def offset(zone: str, second: int) -> int:
    """How many seconds the zone's clocks are ahead of UTC at this instant."""
    shown = datetime.fromtimestamp(second, UTC).astimezone(rules(zone)).utcoffset()
    assert shown is not None
    return shown // _SECOND


def steady_until(zone: str, begin: int) -> int:
    """Until when (not included) the clocks run on as they do at ``begin``; at most a day later.

    No zone's clocks have been changed twice in a day, so comparing the ends of one is enough.
    """
    end = begin + DAY
    return end if offset(zone, end) == offset(zone, begin) else _change(zone, begin, end)


def _change(zone: str, low: int, high: int) -> int:
    """The instant at which the clocks are changed; they are at ``high`` and not yet at ``low``."""
    before = offset(zone, low)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if offset(zone, middle) == before else (low, middle)
    return high


def instant(zone: str, shown: datetime) -> int:
    """When the clocks first show this time of day; where they skip it, when they have just skipped it."""
    wanted = seconds(shown)
    before = offset(zone, wanted - DAY)
    found = wanted - before  # if the clocks were not changed since the day before
    after = offset(zone, found)
    if after == before:
        return found
    change = _change(zone, wanted - DAY, found)
    # Put forward: found lies behind the change. What it shows there is later than wanted, so it was skipped unless
    # the new offset leads to an instant behind the change as well.
    return max(change, wanted - after)
