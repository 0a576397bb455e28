"""The options of a schedule, read into when it fires and what becomes of what it misses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NoReturn, TypedDict, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from supervisor.core import zones
from supervisor.core.plan import LONGEST_NAME, Misfire, Overlap
from supervisor.core.slots import Timing
from supervisor.errors import ScheduleError
from supervisor.settings.kind import Duration
from supervisor.settings.nearest import did_you_mean

Span = float | str | timedelta
E = TypeVar("E", bound=StrEnum)
_MILLI = 1000
_SKIP_GRACE = 60.0
_ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_CRON = '"minute hour day-of-month month day-of-week", such as "*/5 * * * *", seconds in front where wanted'


class ScheduleOptions(TypedDict, total=False):
    """The options that ``schedule``, ``schedule.add`` and ``TaskQueue.add_schedule`` take; see :class:`Rules`."""

    name: str | None
    cron: str | None
    every: Span | None
    zone: str | ZoneInfo
    start: datetime | Span | None
    stop: datetime | Span | None
    misfire: str | Misfire
    grace: Span | None
    overlap: str | Overlap


@dataclass(frozen=True, slots=True)
class Rules:
    """The options, checked. Durations are seconds, text such as "5m", or a timedelta.

    ``name``: what it goes by; default the task's name. ``cron``: an expression of five fields, of six with the seconds
    in front, or a word such as "@daily". ``every``: the time between two firings instead, from 0.1 s. ``zone``: the
    time zone of the expression, and of bounds that have none (default "UTC"). ``start`` and ``stop``: a datetime, or a
    duration: from when the schedule is first seen, and from its start. ``misfire``: what becomes of slots that were
    missed: "once" (the default), "skip" or "all". ``grace``: how late a slot may be run; default a minute for "skip",
    else any time. ``overlap``: what becomes of a slot while a task of an earlier one has not ended: "allow" (the
    default), "skip" or "queue".
    """

    name: str
    timing: Timing
    misfire: Misfire
    grace: int | None
    overlap: Overlap


def read_rules(name: str, options: Mapping[str, Any]) -> Rules:
    """The rules meant by these options, ``name`` being that of the task. Raises ScheduleError."""
    task, given = name, options.get("name")
    name = name if given is None else given
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
        raise ScheduleError(task, f"name={name!r} makes no sense: expected 1 to {LONGEST_NAME} characters")
    return _Reader(name, options).rules()


class _Reader:
    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self._name = name
        self._options = options
        known = sorted(ScheduleOptions.__annotations__)
        for option in options:
            if option not in known:
                raise ScheduleError(name, _with_hint(f"{option} is no option", did_you_mean(option, known)))

    def rules(self) -> Rules:
        misfire = self._word("misfire", Misfire, Misfire.ONCE)
        overlap = self._word("overlap", Overlap, Overlap.ALLOW)
        grace = self._span("grace", Duration(above=False))
        if grace is None and misfire is Misfire.SKIP:
            grace = int(_SKIP_GRACE * _MILLI)
        if misfire is Misfire.ALL and overlap is Overlap.SKIP:
            self._fail('misfire="all" with overlap="skip" would run the first slot that was missed and pass over the'
                       ' others; "queue" runs one after the other')  # fmt: skip
        return Rules(self._name, self._timing(), misfire, grace, overlap)

    # -- when --------------------------------------------------------------------------------------------------

    def _timing(self) -> Timing:
        cron, every = self._options.get("cron"), self._options.get("every")
        if (cron is None) == (every is None):
            self._fail("give either cron or every")
        zone = self._zone()
        start, start_in = self._bound("start", zone)
        stop, stop_in = self._bound("stop", zone)
        timing = Timing(
            cron=self._cron(cron) if cron is not None else "",
            every=self._span("every", Duration(least=0.1, above=False)) or 0,
            zone=zone,
            start=start,
            start_in=start_in,
            stop=stop,
            stop_in=stop_in,
        )
        if start is not None and stop is not None and stop <= start:
            self._fail("it stops before it starts")
        fault = timing.fault()
        if fault:
            self._fail(f"{fault}; expected {_CRON}" if "cannot be read" in fault else fault)
        return timing

    def _cron(self, value: object) -> str:
        if not isinstance(value, str) or not value.strip():
            self._wrong("cron", value, _CRON)
        word = value.strip().lower()
        if word.startswith("@") and word not in _ALIASES:
            self._wrong("cron", value, f"one of {', '.join(_ALIASES)}")
        return " ".join(_ALIASES.get(word, value).split())

    def _zone(self) -> str:
        zone = self._options.get("zone", "UTC")
        name = zone.key if isinstance(zone, ZoneInfo) else zone
        if not isinstance(name, str) or Timing(every=1, zone=name).fault():
            known = available_timezones()
            hint = did_you_mean(str(name), known) if known else "this machine has none; install tzdata"
            self._wrong("zone", zone, _with_hint('a time zone such as "Europe/Berlin"', hint))
        return name

    def _bound(self, option: str, zone: str) -> tuple[int | None, int | None]:
        """A date, or a time from another."""
        value = self._options.get(option)
        if not isinstance(value, datetime):
            return None, self._span(option, Duration(above=False), "a datetime, or ")
        moment = value if value.tzinfo is not None else value.replace(tzinfo=zones.rules(zone))
        return round(moment.timestamp() * _MILLI), None

    # -- values ------------------------------------------------------------------------------------------------

    def _span(self, option: str, kind: Duration, more: str = "") -> int | None:
        value = self._options.get(option)
        if value is None:
            return None
        try:
            return round(kind.read(value.total_seconds() if isinstance(value, timedelta) else value) * _MILLI)
        except (ValueError, TypeError):
            self._wrong(option, value, more + kind.expects)

    def _word(self, option: str, kind: type[E], default: E) -> E:
        value = self._options.get(option, default)
        try:
            return kind(value.lower() if isinstance(value, str) else value)
        except ValueError:
            self._wrong(option, value, " or ".join(f'"{each.value}"' for each in kind))

    def _wrong(self, option: str, value: object, expected: str) -> NoReturn:
        self._fail(f"{option}={value!r} makes no sense: expected {expected}")

    def _fail(self, fault: str) -> NoReturn:
        raise ScheduleError(self._name, fault)


def _with_hint(sentence: str, hint: str) -> str:
    return f"{sentence}; {hint}" if hint else sentence
