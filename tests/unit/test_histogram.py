"""The histogram: what it says of many values, beside what sorting them says; and the tallies that it is part of."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from supervisor.core.histogram import LEAST, MOST, Histogram
from supervisor.core.moment import Moment
from supervisor.core.tallies import MOST as MOST_NAMES
from supervisor.core.tallies import OTHER, Tallies
from supervisor.core.tally import MINUTE, SPAN, Tally

VALUES = st.lists(st.floats(LEAST, MOST / 2), min_size=1, max_size=200)
PARTS = (0.5, 0.95, 0.99)


def filled(values: list[float]) -> Histogram:
    made = Histogram()
    made.add(values)
    return made


@given(VALUES)
def test_a_quantile_is_at_most_five_percent_off(values: list[float]) -> None:
    found = filled(values).quantiles(0.0, *PARTS, 1.0)
    for part, value in zip((0.0, *PARTS, 1.0), found, strict=True):
        exact = sorted(values)[max(1, math.ceil(part * len(values))) - 1]
        assert value is not None
        assert abs(value - exact) <= 0.05 * exact


@given(VALUES)
def test_count_and_mean_are_exact(values: list[float]) -> None:
    made = filled(values)
    assert made.count == len(values)
    assert made.mean is not None
    assert math.isclose(made.mean, math.fsum(values) / len(values), rel_tol=1e-9)


@given(VALUES, VALUES)
def test_what_was_counted_apart_can_be_added_up(one: list[float], other: list[float]) -> None:
    apart, together = filled(one), filled(one + other)
    apart.merge(filled(other))
    assert apart.buckets == together.buckets
    assert apart.quantiles(*PARTS) == together.quantiles(*PARTS)


@given(VALUES)
def test_it_is_the_same_after_it_was_written_and_read(values: list[float]) -> None:
    made = filled(values)
    again = Histogram.of(made.sparse(), made.total)
    assert (again.buckets, again.count, again.mean) == (made.buckets, made.count, made.mean)


def test_of_nothing_it_says_nothing_and_whatever_comes_has_a_place() -> None:
    made = Histogram()
    assert made.quantiles(*PARTS) == [None, None, None]
    assert made.mean is None
    made.add([0.0, -1.0, LEAST, MOST * 1000])
    assert made.count == 4
    assert made.sparse()[0] == 3


# -- tallies ----------------------------------------------------------------------------------------------------


def tick(tallies: Tallies, mono: float) -> list[tuple[str, str, bytes]]:
    return [(queue, name, body) for queue, name, _, body in tallies.tick(mono, 0.0, at_once=True)]


@given(st.lists(st.tuples(st.floats(0.0, 100.0), st.integers(0, 5)), max_size=60))
def test_the_last_minute_is_counted_to_the_second(steps: list[tuple[float, int]]) -> None:
    tally, mono = Tally("default", "a"), 1000.0
    ran: list[float] = []
    for pause, count in steps:
        mono += pause
        for _ in range(count):
            tally.ran(0.1)
            ran.append(mono)
        tally.tidy(mono)
        assert tally.lately(mono) == sum(at > mono - MINUTE for at in ran)


def test_what_is_counted_outlives_a_restart() -> None:
    tallies = Tallies()
    tally = tallies.get("mail", "send")
    for seconds in (0.1, 0.2, 4.0):
        tally.started += 1
        tally.ran(seconds)
    tally.succeeded = 2
    tally.ended["failed"] = 1
    tally.causes["exception"] = 3
    tallies.peak = 7
    rows = tick(tallies, 1.0)
    assert tick(tallies, 2.0) == [], "nothing has changed"
    again = Tallies()
    again.restore(rows, Moment(1.0, 0.0))
    found = again.get("mail", "send")
    assert (found.executed, found.all_ended(), found.causes, again.peak) == (
        3,
        {"succeeded": 2, "failed": 1},
        {"exception": 3},
        7,
    )
    assert found.run.now.quantiles(*PARTS) == tally.run.now.quantiles(*PARTS)
    assert tick(again, 1.0) == [], "it is written down already"


def test_when_something_was_handed_out_last_outlives_a_restart() -> None:
    tallies = Tallies()
    tally = tallies.get("mail", "send")
    tally.started, tally.claimed = 1, 80.0
    rows = [(queue, name, body) for queue, name, _, body in tallies.tick(100.0, 5000.0, at_once=True)]
    again = Tallies()
    again.restore(rows, Moment(7.0, 5100.0))  # the clock of another boot, 100 s later
    assert again.get("mail", "send").claimed == 7.0 - 120.0
    again.restore(rows, Moment(7.0, 4000.0))  # the wall clock was put back: not in the future
    assert again.get("mail", "send").claimed == 7.0


def test_times_of_long_ago_count_no_more() -> None:
    tallies = Tallies()
    tally = tallies.get("default", "a")
    tick(tallies, 1.0)
    tally.started += 1
    tally.ran(5.0)
    for span in (1, 2, 3):
        tick(tallies, 1.0 + span * SPAN)
        whole = Histogram()
        tally.run.add_to(whole)
        assert whole.count == (1 if span == 1 else 0)
        tally.started += 1
    assert tally.executed == 1


def test_there_is_an_end_to_the_names_that_are_counted_apart() -> None:
    tallies = Tallies()
    for number in range(MOST_NAMES + 500):
        tallies.get("default", f"name {number}").ran(0.1)
    assert len(list(tallies)) <= MOST_NAMES + 1
    assert sum(tally.executed for tally in tallies) == MOST_NAMES + 500
    assert next(tally.executed for tally in tallies if tally.name == OTHER) == 500
    rows = tick(tallies, 1.0)
    again = Tallies()
    again.restore(rows, Moment(1.0, 0.0))
    assert sum(tally.executed for tally in again) == MOST_NAMES + 500
    assert again.take_stale(), "what was used least is counted with the others from now on"
    assert len(list(again)) < MOST_NAMES
