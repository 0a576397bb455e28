"""The clock of the in-process mode: it stands still until it is told to move."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from supervisor.core.moment import Moment
from supervisor.settings.kind import Duration
from supervisor.testing.itself import Itself

_TICKS = 1 << 20
"""Ticks a second. A power of two, so that each time is exact as a float; and a step is rounded up to the next tick. So
what is delayed by so many seconds is due, without fail, after a step of as many.
"""
_BOOTED = 1000.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Itself):
    """Shows ``at`` (with a time zone; default: the present) at first. Both of the supervisor's clocks move together."""

    def __init__(self, at: datetime | None = None) -> None:
        if at is not None and at.tzinfo is None:
            raise ValueError(f"at={at!r} names no time zone")
        self._ticks = 0
        self._start = math.ceil((time.time() if at is None else at.timestamp()) * _TICKS)
        self.moved: Callable[[], None] | None = None
        """Called after each step, in the thread that took it."""

    @property
    def now(self) -> datetime:
        """What it shows, in UTC. Rounded down: what is delayed until some time after it is not due later than that."""
        return _EPOCH + timedelta(microseconds=(self._start + self._ticks) * 1_000_000 // _TICKS)

    def time(self) -> float:
        """The same in seconds since 1970, as ``time.time`` gives it."""
        return self.moment().wall

    def monotonic(self) -> float:
        """Seconds on the clock that deadlines run on, as ``time.monotonic`` gives them."""
        return self.moment().mono

    def moment(self) -> Moment:
        """Both."""
        return Moment(_BOOTED + self._ticks / _TICKS, (self._start + self._ticks) / _TICKS)

    def advance(self, step: float | str | timedelta) -> None:
        """Move on by so much: seconds, text such as "1h30m", or a timedelta. Nothing is run by that.

        Inside a task this is the time that the task takes: past its ``soft_timeout`` it raises SoftTimeoutError there,
        and past its hard limit the task ends here, as killed. ValueError for a step back.
        """
        self._ticks += math.ceil(_seconds(step) * _TICKS)
        if self.moved is not None:
            self.moved()

    def after(self, step: float | str | timedelta) -> float:
        """What :meth:`monotonic` gives after such a step."""
        return self.monotonic() + math.ceil(_seconds(step) * _TICKS) / _TICKS

    def move_to(self, at: datetime) -> None:
        """Move on to this time, which must have a time zone. ValueError when it is over already."""
        if at.tzinfo is None:
            raise ValueError(f"at={at!r} names no time zone")
        step = at.timestamp() - self.time()
        if step < 0:
            raise ValueError(f"the clock shows {self.now} already, and cannot be moved back to {at}")
        self.advance(step)


def _seconds(step: float | str | timedelta) -> float:
    kind = Duration(above=False)
    try:
        return kind.read(step.total_seconds() if isinstance(step, timedelta) else step)
    except (ValueError, TypeError):
        raise ValueError(f"the clock cannot be moved by {step!r}: expected {kind.expects}") from None
