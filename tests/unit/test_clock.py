"""The clock of the in-process mode."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.testing import Clock

SECONDS = st.floats(0, 1e6)


@given(before=st.lists(SECONDS, max_size=5), delay=SECONDS)
def test_what_is_delayed_is_due_after_a_step_of_as_much(before: list[float], delay: float) -> None:
    clock = Clock()
    for step in before:
        clock.advance(step)
    due, due_wall = clock.monotonic() + delay, clock.time() + delay
    clock.advance(delay)
    assert clock.monotonic() >= due
    assert clock.time() >= due_wall


@given(delay=st.floats(0.001, 1000), parts=st.integers(1, 20))
def test_so_it_is_after_many_steps_that_make_as_much(delay: float, parts: int) -> None:
    clock = Clock()
    due = clock.monotonic() + delay
    for _ in range(parts):
        clock.advance(delay / parts)
    assert clock.monotonic() >= due - 1e-9
    assert clock.monotonic() < due + 1e-4, "and no later than it should"


def test_it_stands_still_until_it_is_moved() -> None:
    start = datetime(2026, 3, 29, 1, 59, tzinfo=ZoneInfo("Europe/Berlin"))
    clock = Clock(start)
    assert clock.now == clock.now == start
    clock.advance("1h30m")
    clock.advance(timedelta(seconds=30))
    assert clock.now == start.astimezone(UTC) + timedelta(hours=1, minutes=30, seconds=30)
    clock.move_to(datetime(2026, 4, 1, tzinfo=UTC))
    assert clock.now == datetime(2026, 4, 1, tzinfo=UTC)
    assert clock.time() == datetime(2026, 4, 1, tzinfo=UTC).timestamp()


def test_it_shows_the_present_at_first() -> None:
    assert abs(Clock().now - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("step", [-1, "soon", None, float("nan")])
def test_it_does_not_go_back(step: object) -> None:
    with pytest.raises(ValueError, match="cannot be moved by"):
        Clock().advance(step)  # type: ignore[arg-type]


def test_a_time_has_a_time_zone_and_is_not_over() -> None:
    naive = datetime(2030, 1, 1)  # noqa: DTZ001  that is the point
    with pytest.raises(ValueError, match="no time zone"):
        Clock(naive)
    with pytest.raises(ValueError, match="no time zone"):
        Clock().move_to(naive)
    with pytest.raises(ValueError, match="cannot be moved back"):
        Clock().move_to(datetime(2020, 1, 1, tzinfo=UTC))
