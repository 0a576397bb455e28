"""How many workers there should be: whatever is seen, within the bounds; and what becomes of the number in time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from supervisor.master.scaling import Bounds, Scaling, Seen

SECOND = 1_000_000_000
BOUNDS = Bounds(least=2, most=8, waiting=3, idle_ns=60 * SECOND)
SEEN = st.builds(
    Seen, ready=st.integers(0, 12), busy=st.integers(0, 12), waiting=st.integers(0, 6), backlog=st.integers(0, 50)
)


def idle(ready: int, busy: int = 0, waiting: int = 0) -> Seen:
    return Seen(ready, busy, waiting, 0)


@given(st.lists(st.tuples(SEEN, st.integers(0, 100 * SECOND)), max_size=60))
def test_it_stays_within_the_bounds(looks: list[tuple[Seen, int]]) -> None:
    scaling, now = Scaling(BOUNDS, 4), SECOND
    for seen, pause in looks:
        now += pause
        before = scaling.wanted
        wanted = scaling.look(seen, now)
        most = BOUNDS.most + min(seen.waiting, BOUNDS.waiting)
        assert BOUNDS.least <= wanted <= max(before, most)
        assert wanted <= BOUNDS.most + BOUNDS.waiting
        if wanted > before:
            assert seen.backlog, "nobody is added whom nothing waits for"
            assert wanted - before <= seen.backlog
        if wanted < before:
            assert seen.ready - seen.busy >= before - wanted, "no more leave than are idle"
            assert not seen.backlog


def test_under_a_backlog_it_doubles_up_to_the_most() -> None:
    scaling = Scaling(BOUNDS, 2)
    found = [scaling.look(Seen(ready, ready, 0, 100), SECOND) for ready in (2, 4, 4, 8)]
    assert found == [4, 8, 8, 8]
    assert not scaling.may_grow(0)


def test_it_does_not_grow_while_those_it_wants_are_not_there_yet() -> None:
    scaling = Scaling(BOUNDS, 4)
    assert scaling.look(Seen(3, 3, 0, 100), SECOND) == 4


def test_those_leave_that_nobody_needed_for_so_long() -> None:
    scaling = Scaling(BOUNDS, 8)
    for second in range(60):
        assert scaling.look(idle(8, busy=3 if second == 30 else 1), second * SECOND) == 8
    assert scaling.look(idle(8), 60 * SECOND) == 3, "at one look three were busy"
    for second in range(61, 121):
        assert scaling.look(idle(3), second * SECOND) == 3
    assert scaling.look(idle(3), 121 * SECOND) == 2
    for second in range(122, 400):
        assert scaling.look(idle(2), second * SECOND) == 2


def test_a_backlog_in_between_keeps_all_of_them() -> None:
    scaling = Scaling(BOUNDS, 8)
    for second in range(61):
        assert scaling.look(Seen(8, 8 if second == 40 else 0, 0, second == 40), second * SECOND) == 8


def test_for_each_that_waits_there_may_be_one_more_and_they_leave_soon_after() -> None:
    scaling = Scaling(Bounds(1, 1, 100, 60 * SECOND), 1)
    assert not scaling.may_grow(0)
    for depth in range(1, 11):
        assert scaling.may_grow(depth)
        assert scaling.look(Seen(depth, depth, depth, 1), SECOND) == depth + 1
    assert scaling.look(idle(11, busy=11, waiting=10), 2 * SECOND) == 11, "waiting is not idle"
    assert scaling.look(idle(11), 3 * SECOND) == 11
    assert scaling.look(idle(11), 5 * SECOND) == 1


def test_other_bounds_hold_at_once() -> None:
    scaling = Scaling(BOUNDS, 8)
    scaling.use(Bounds(1, 3, 0, SECOND))
    assert scaling.wanted == 3
    scaling.use(Bounds(6, 6, 0, SECOND), 6)
    assert (scaling.wanted, scaling.steady) == (6, True)
