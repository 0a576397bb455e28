"""When schedules fire, held against clocks that are read minute by minute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from time import process_time
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.core import zones
from supervisor.core.fired import Fired
from supervisor.core.slots import Timing

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Night(NamedTuple):
    """A night in which clocks are changed."""

    zone: str
    day: datetime


NIGHTS = [
    Night("Europe/Berlin", datetime(2025, 3, 30, tzinfo=UTC)),
    Night("Europe/Berlin", datetime(2025, 10, 26, tzinfo=UTC)),
    Night("America/New_York", datetime(2025, 3, 9, 6, tzinfo=UTC)),
    Night("America/New_York", datetime(2025, 11, 2, 6, tzinfo=UTC)),
    Night("Australia/Lord_Howe", datetime(2025, 4, 5, 15, tzinfo=UTC)),  # by half an hour
    Night("Australia/Lord_Howe", datetime(2025, 10, 4, 15, tzinfo=UTC)),
    Night("America/Santiago", datetime(2025, 9, 7, 4, tzinfo=UTC)),  # at midnight
    Night("America/Santiago", datetime(2025, 4, 6, 3, tzinfo=UTC)),
    Night("America/Havana", datetime(2025, 11, 2, 5, tzinfo=UTC)),
    Night("Africa/Cairo", datetime(2025, 4, 24, 22, tzinfo=UTC)),
    Night("Asia/Kathmandu", datetime(2025, 6, 1, tzinfo=UTC)),  # never, and 5:45 ahead
    Night("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),  # a day was skipped
]


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@dataclass(frozen=True)
class Meant:
    """A cron expression of which the test knows itself what it means."""

    minutes: frozenset[int]
    hours: frozenset[int]
    text: str

    @property
    def as_shown(self) -> bool:
        return self.text.startswith("*") or self.text.split()[1].startswith("*")

    def means(self, shown: datetime) -> bool:
        return shown.minute in self.minutes and shown.hour in self.hours


@st.composite
def field(draw: st.DrawFn, size: int) -> tuple[str, frozenset[int]]:
    kind = draw(st.sampled_from(("any", "step", "list", "list", "range")))
    if kind == "any":
        return "*", frozenset(range(size))
    if kind == "step":
        step = draw(st.integers(1, size - 1))
        return f"*/{step}", frozenset(range(0, size, step))
    if kind == "range":
        low = draw(st.integers(0, size - 2))
        high = draw(st.integers(low + 1, size - 1))
        return f"{low}-{high}", frozenset(range(low, high + 1))
    values = draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=4))
    return ",".join(map(str, sorted(values))), frozenset(values)


@st.composite
def expressions(draw: st.DrawFn) -> Meant:
    # Few hours, and those of the night: that is where it matters.
    minute, minutes = draw(field(60))
    hour, hours = draw(st.one_of(field(24), field(4)))
    if hour.startswith("*"):
        step = int(hour.partition("/")[2] or 1)
        hours = frozenset(range(0, 24, step))
    return Meant(minutes, hours, f"{minute} {hour} * * *")


@lru_cache(maxsize=4)
def clock(zone: str, begin: int, end: int) -> list[tuple[int, datetime]]:
    """What a clock shows, minute by minute."""
    info = ZoneInfo(zone)
    moments = range(begin, end, MINUTE)
    return [(each, datetime.fromtimestamp(each / 1000, UTC).astimezone(info).replace(tzinfo=None)) for each in moments]


def watched(meant: Meant, night: Night, low: int, high: int) -> list[int]:
    """The slots in (low, high], by looking at the clock each minute, and by the rule in words."""
    found: list[int] = []
    furthest = None
    for moment, shown in clock(night.zone, ms(night.day) - 12 * HOUR, ms(night.day) + 8 * HOUR):
        if meant.as_shown:
            fires = meant.means(shown)
        else:
            # Each time of day once: when the clock first shows it, or has just jumped over it.
            passed = _minutes(furthest, shown) if furthest is not None else [shown]
            fires = any(map(meant.means, passed))
            furthest = max(shown, furthest or shown)
        if fires and low < moment <= high:
            found.append(moment)
    return found


def _minutes(after: datetime, until: datetime) -> Iterator[datetime]:
    while after < until:
        after += timedelta(minutes=1)
        yield after


@pytest.mark.parametrize("night", NIGHTS, ids=lambda night: f"{night.zone} {night.day:%F}")
@given(meant=expressions(), low=st.integers(-8 * HOUR, 3 * HOUR), high=st.integers(-3 * HOUR, 7 * HOUR))
def test_cron_fires_as_the_clock_on_the_wall_says_in_nights_in_which_it_is_changed(
    night: Night, meant: Meant, low: int, high: int
) -> None:
    low, high = ms(night.day) + low, ms(night.day) + high
    timing = Timing(cron=meant.text, zone=night.zone)
    expected = watched(meant, night, low, high)
    assert list(slots(timing, low, high)) == expected
    assert timing.latest(low, high, 0) == (expected[-1] if expected else None)
    assert timing.count(low, high, 0, 10_000) == len(expected)
    assert timing.count(low, high, 0, 3) == min(3, len(expected))


def slots(timing: Timing, low: int, high: int, origin: int = 0) -> Iterator[int]:
    """The slots in (low, high], one after the other."""
    slot = timing.after(low, origin)
    while slot is not None and slot <= high:
        yield slot
        slot = timing.after(slot, origin)


@pytest.mark.parametrize("night", NIGHTS, ids=lambda night: f"{night.zone} {night.day:%F}")
@given(meant=expressions(), steps=st.lists(st.integers(1, 5 * HOUR), min_size=1, max_size=5))
def test_the_next_slot_is_the_same_wherever_one_asks_from(night: Night, meant: Meant, steps: list[int]) -> None:
    timing = Timing(cron=meant.text, zone=night.zone)
    begin = ms(night.day) - 5 * HOUR
    every = list(slots(timing, begin, begin + 26 * HOUR))
    moment = begin
    for step in steps:
        moment += step
        later = [slot for slot in every if slot > moment]
        assert not later or timing.after(moment, 0) == later[0]


def test_what_stands_in_the_guide_about_the_nights_of_2025() -> None:
    assert fired("30 2 * * *", "Europe/Berlin", "2025-03-30") == ["03:00+0200"]
    assert fired("30 2 * * *", "Europe/Berlin", "2025-10-26") == ["02:30+0200"]
    assert fired("*/30 2 * * *", "Europe/Berlin", "2025-03-30") == []
    assert fired("*/30 2 * * *", "Europe/Berlin", "2025-10-26") == [
        "02:00+0200", "02:30+0200", "02:00+0100", "02:30+0100",
    ]  # fmt: skip
    assert fired("0,30 2 * * *", "America/New_York", "2025-03-09") == ["03:00-0400"]
    assert fired("0,30 1 * * *", "America/New_York", "2025-11-02") == ["01:00-0400", "01:30-0400"]
    assert fired("0 0 * * *", "America/Santiago", "2025-09-07") == ["01:00-0300"]
    assert fired("15 2 * * *", "Australia/Lord_Howe", "2025-10-05") == ["02:30+1100"]
    assert fired("*/30 1 7 9 *", "America/Santiago", "2025-09-07") == ["01:00-0300", "01:30-0300"]


def fired(cron: str, zone: str, day: str) -> list[str]:
    """What a clock shows at the slots of one day."""
    begin = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    end = (begin + timedelta(days=1)).replace(tzinfo=ZoneInfo(zone))
    found = slots(Timing(cron=cron, zone=zone), ms(begin) - 1, ms(end) - 1)
    return [datetime.fromtimestamp(slot / 1000, ZoneInfo(zone)).strftime("%H:%M%z") for slot in found]


@given(
    seconds=st.sets(st.integers(0, 59), min_size=1, max_size=3),
    low=st.integers(0, 10 * DAY),
    length=st.integers(0, 3 * MINUTE),
)
def test_a_sixth_field_in_front_counts_seconds(seconds: set[int], low: int, length: int) -> None:
    timing = Timing(cron=f"{','.join(map(str, sorted(seconds)))} * * * * *")
    expected = [each * 1000 for each in range((low + length) // 1000 + 1) if each % 60 in seconds and each * 1000 > low]
    assert list(slots(timing, low, low + length)) == expected


def test_the_latest_of_millions_of_slots_is_found_without_a_walk_through_them() -> None:
    january = Timing(cron="* * * * 1 *", zone="Europe/Berlin")  # each second of it
    begin, july = ms(datetime(2024, 7, 1, tzinfo=UTC)), ms(datetime(2025, 7, 1, tzinfo=UTC))
    spent = process_time()
    assert january.latest(begin, july, 0) == ms(datetime(2025, 1, 31, 22, 59, 59, tzinfo=UTC))
    assert january.count(begin, july, 0, 1000) == 1000
    assert process_time() - spent < 1.0, "each slot costs some microseconds, and there are 2,678,400"


def test_rare_days_are_found_and_those_that_never_come_are_not() -> None:
    leap = Timing(cron="*/30 1 29 2 *", zone="Europe/Berlin")
    assert list(islice(slots(leap, ms(datetime(2025, 1, 1, tzinfo=UTC)), 10**14), 3)) == [
        ms(datetime(2028, 2, 29, 0, tzinfo=UTC)),
        ms(datetime(2028, 2, 29, 0, 30, tzinfo=UTC)),
        ms(datetime(2032, 2, 29, 0, tzinfo=UTC)),
    ]
    assert Timing(cron="0 0 31 2 1#1").fault() == ""  # either day will do, as in every cron
    assert Timing(cron="0 0 30 2 *").fault() == "cron='0 0 30 2 *' cannot be read: bad day-of-month"
    assert Timing(cron="0 0 */28 2 MON#2").fault() == "cron='0 0 */28 2 MON#2' never fires"


def test_what_cannot_be_followed_is_told() -> None:
    assert Timing(cron="61 * * * *").fault() == "cron='61 * * * *' cannot be read: bad minute"
    assert Timing(cron="* * *").fault() == "cron='* * *' cannot be read: wrong number of fields"
    assert Timing(cron="* * * * *", zone="Mars/Base").fault() == "there is no time zone 'Mars/Base' on this machine"
    assert Timing(cron="* * * * *", zone="../../etc/passwd").fault().startswith("there is no time zone")
    assert Timing().fault() == "neither cron nor every is given"
    assert Timing(every=1000).fault() == ""
    assert Timing(every=1000, stop_in=999).fault().startswith("it stops before it fires for the first time")
    assert Timing(every=1000, stop_in=1000).fault() == Timing(every=1000, start_in=0, stop_in=0).fault() == ""
    late = ms(datetime(9001, 1, 1, tzinfo=UTC))
    for timing in (Timing(cron="* * * * *", start=late), Timing(every=late), Timing(every=1, stop_in=late)):
        assert timing.fault() == "it starts or stops after the year 9000"
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):  # the last moment that is let in can be followed to a slot
        last = Timing(cron="0 0 29 2 *", zone=zone, start=ms(datetime(9000, 1, 1, tzinfo=UTC)))
        assert last.fault() == ""
        assert last.after(0, 0) is not None


# -- intervals ---------------------------------------------------------------------------------------------------

ORIGIN = ms(datetime(2025, 3, 30, tzinfo=UTC)) + 123


@st.composite
def intervals(draw: st.DrawFn) -> Timing:
    """Some are bounded by dates, some by times from the origin."""
    dates, spans, none = st.integers(ORIGIN, ORIGIN + DAY), st.integers(0, DAY), st.none()
    bound = st.one_of(st.tuples(none, none), st.tuples(dates, none), st.tuples(none, spans))
    return Timing("", draw(st.integers(1, 2 * HOUR)), "UTC", *draw(bound), *draw(bound))


@given(timing=intervals(), low=st.integers(ORIGIN - DAY, ORIGIN + DAY), count=st.integers(0, 50))
def test_intervals_keep_to_their_grid_and_their_bounds(timing: Timing, low: int, count: int) -> None:
    begin = timing.start if timing.start is not None else ORIGIN + (timing.start_in or 0)
    unbound = timing.start is None and timing.start_in is None
    first = begin + timing.every if unbound else begin
    end = timing.stop if timing.stop_in is None else begin + timing.stop_in
    high = low + count * timing.every
    all_slots = range(first, high + 1, timing.every)
    expected = [slot for slot in all_slots if slot > low and (end is None or slot <= end)]
    assert list(slots(timing, low, high, ORIGIN)) == expected
    assert timing.latest(low, high, ORIGIN) == (expected[-1] if expected else None)
    assert timing.count(low, high, ORIGIN, 0) == len(expected), "it is worked out, however many there are"
    assert timing.bounds(ORIGIN) == (None if unbound else begin, end)


def test_every_ten_seconds_for_ten_minutes_is_sixty_times() -> None:
    assert len(list(slots(Timing(every=10_000, stop_in=10 * MINUTE), ORIGIN - 1, 10**14, ORIGIN))) == 60
    assert len(list(slots(Timing(every=10_000, start_in=0, stop_in=10 * MINUTE), ORIGIN - 1, 10**14, ORIGIN))) == 61


@given(bounds=st.tuples(st.integers(0, DAY), st.integers(0, DAY)), meant=expressions())
def test_cron_keeps_to_its_bounds(bounds: tuple[int, int], meant: Meant) -> None:
    start, stop = ORIGIN + bounds[0], ORIGIN + bounds[1]
    free = Timing(cron=meant.text, zone="Europe/Berlin")
    bound = Timing(cron=meant.text, zone="Europe/Berlin", start=start, stop=stop)
    low, high = ORIGIN - HOUR, ORIGIN + 20 * HOUR
    expected = [slot for slot in slots(free, low, high) if start <= slot <= stop]
    assert list(slots(bound, low, high)) == expected
    assert bound.count(low, high, 0, 10_000) == len(expected)


# -- which were dealt with ---------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 40), max_size=60))
def test_spans_hold_what_was_added_and_nothing_else(numbers: list[int]) -> None:
    timing = Timing(every=10)
    fired, known = Fired(), set[int]()
    for number in numbers:
        slot = 10 * number + 10
        if slot not in known:
            known.add(slot)
            fired.add(slot, lambda each: timing.after(each, 0))
        assert {each for each in range(10, 500, 10) if fired.span(each)} == known
        ends = [end for span in fired.spans for end in span]
        assert ends == sorted(ends)
        assert all(after - before > 10 for before, after in zip(ends[1::2], ends[2::2], strict=False)), "joined"


def test_of_very_many_gaps_the_oldest_are_forgotten() -> None:
    fired = Fired()
    for slot in range(0, 2000, 20):
        fired.add(slot, lambda each: each + 10)
    assert len(fired.spans) == 32
    assert all(fired.span(slot) for slot in range(0, 2000, 20))
    assert fired.span(990) == (0, 1360)
    assert fired.span(1990) is None


def test_zones_go_there_and_back() -> None:
    for night in NIGHTS:
        begin = ms(night.day) // 1000 - zones.DAY
        for second in range(begin, begin + 2 * zones.DAY, 600):
            shown = zones.naive(second + zones.offset(night.zone, second))
            assert zones.instant(night.zone, shown) <= second, "the first time that it is shown"
            first = zones.instant(night.zone, shown)
            assert zones.naive(first + zones.offset(night.zone, first)) == shown
