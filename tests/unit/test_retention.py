"""How long what has ended is kept, and how long the next attempt waits."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from supervisor.core.backoff import Backoff
from supervisor.core.retention import DEAD, Remains, Retention
from supervisor.states import State

SECONDS = st.floats(1e-3, 1e7)
WALL = 1e9
RETENTIONS = st.builds(Retention, SECONDS, SECONDS, st.none() | SECONDS)
REMAINS = st.builds(
    Remains,
    state=st.sampled_from(State),
    ended=st.floats(WALL - 1e8, WALL + 1e6),
    has_result=st.booleans(),
    result_ttl=st.none() | SECONDS,
    until=st.sampled_from((0.0, WALL - 10, WALL + 10)),
)


@given(RETENTIONS, REMAINS)
def test_a_record_outlives_what_it_belongs_to(keep: Retention, remains: Remains) -> None:
    until = keep.record_until(remains)
    assert remains.ended is not None
    assert until >= remains.ended + keep.record_ttl
    assert until >= remains.until, "a key that it holds"
    if remains.has_result:
        own = keep.result_ttl if remains.result_ttl is None else remains.result_ttl
        assert keep.result_until(remains) == remains.ended + own
        assert until >= keep.result_until(remains)
    else:
        assert math.isinf(keep.result_until(remains))
    if remains.state in DEAD:
        assert math.isinf(until) if keep.dead_ttl is None else until >= remains.ended + keep.dead_ttl


@given(RETENTIONS, REMAINS)
def test_an_unfinished_task_is_never_touched(keep: Retention, remains: Remains) -> None:
    unfinished = Remains(remains.state, None, remains.has_result, remains.result_ttl, remains.until)
    assert math.isinf(keep.record_until(unfinished))
    assert math.isinf(keep.result_until(unfinished))


@given(
    st.floats(0, 1e6), st.floats(1, 100), st.floats(0, 1e6), st.floats(0, 1e6), st.integers(1, 10**9), st.floats(0, 1)
)
def test_the_delay_stays_within_its_cap_and_jitter(
    delay: float, factor: float, cap: float, jitter: float, failures: int, chance: float
) -> None:
    backoff = Backoff(delay, factor, cap, jitter)
    seconds = backoff.seconds(failures, chance)
    assert min(delay, cap) <= seconds <= cap + jitter
    assert backoff.seconds(failures + 1, chance) >= seconds
    if factor == 1:
        assert backoff.seconds(failures, 0.0) == min(delay, cap)


def test_the_defaults_are_one_two_four_and_up_to_one() -> None:
    backoff = Backoff()
    assert [backoff.seconds(failures, 0.0) for failures in range(1, 6)] == [1, 2, 4, 8, 16]
    assert backoff.seconds(1, 1.0) == 2.0
    assert backoff.seconds(100, 0.0) == 3600.0
