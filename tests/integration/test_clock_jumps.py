"""A wall clock that jumps by an hour, either way, moves no deadline and no delay."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor import State, TaskConfig, TaskTimeoutError
from tests.conftest import MakeTree
from tests.support import clock_tasks
from tests.support.clocks import LIBRARY, Clock
from tests.support.shared import ended
from tests.support.tree import RunningTree
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(not LIBRARY, reason="libfaketime is not installed (Debian's package faketime)")

SPAN = 1.5
LATE = 1.0
"""By how much a busy machine may be late."""
Jumps = Callable[[int], tuple[RunningTree, Clock]]


@pytest.fixture(params=[3600, -3600], ids=["an hour ahead", "an hour back"])
def hour(request: pytest.FixtureRequest) -> int:
    found: int = request.param
    return found


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


@pytest.fixture
def tree(make_tree: MakeTree, clock: Clock) -> RunningTree:
    found = make_tree(start=False, tasks=["tests.support.clock_tasks"], cpus="off")
    found.environment = clock.environment
    return found.start()


def told(path: Path, count: int) -> list[tuple[float, float]]:
    """When tasks told of themselves, on the monotonic clock and on that of the wall, once there are so many."""

    def lines() -> list[str] | None:
        found = path.read_text().splitlines() if path.exists() else []
        return found if len(found) >= count else None

    return [(float(line.split()[1]), float(line.split()[2])) for line in until(lines, f"{count} words", 30.0)]


def test_a_running_task_is_killed_at_its_deadline_and_not_before(
    tree: RunningTree, clock: Clock, hour: int, tmp_path: Path
) -> None:
    path = tmp_path / "told"
    handle = clock_tasks.loop.on(tree.queue).options(timeout=SPAN, max_retries=0).delay(str(path))
    ((began, before),) = told(path, 1)
    clock.jump(hour)
    with pytest.raises(TaskTimeoutError):
        handle.result(timeout=30)
    assert SPAN - 0.1 <= time.monotonic() - began <= SPAN + LATE
    clock_tasks.tell.on(tree.queue).delay(str(path)).result(timeout=30)
    assert told(path, 2)[1][1] - before == pytest.approx(hour, abs=60), "the worker has seen the jump"


def test_the_soft_limit_comes_in_its_time(tree: RunningTree, clock: Clock, hour: int, tmp_path: Path) -> None:
    path = tmp_path / "told"
    handle = clock_tasks.stop_softly.on(tree.queue).options(soft_timeout=SPAN, timeout=20).delay(str(path))
    told(path, 1)
    clock.jump(hour)
    handle.result(timeout=30)
    (began, _), (asked, _) = told(path, 2)
    assert SPAN - 0.1 <= asked - began <= SPAN + LATE


def test_a_delayed_task_starts_after_its_delay(tree: RunningTree, clock: Clock, hour: int, tmp_path: Path) -> None:
    path = tmp_path / "told"
    submitted = time.monotonic()
    tree.queue.submit(clock_tasks.tell, str(path), config=TaskConfig(delay=SPAN))
    clock.jump(hour)
    ((ran, _),) = told(path, 1)
    assert SPAN - 0.1 <= ran - submitted <= SPAN + LATE


def test_a_retry_comes_after_its_delay(tree: RunningTree, clock: Clock, hour: int, tmp_path: Path) -> None:
    path = tmp_path / "told"
    task = clock_tasks.fail.on(tree.queue).options(max_retries=1, retry_delay=SPAN, retry_jitter=0)
    handle = task.delay(str(path))
    until(lambda: handle.state() is State.RETRYING, "the first attempt to fail", 30.0)
    clock.jump(hour)
    assert ended(tree.queue, handle.id).state is State.FAILED
    (first, _), (second, _) = told(path, 2)
    assert SPAN - 0.1 <= second - first <= SPAN + LATE


def test_nobody_takes_anybody_for_dead(tree: RunningTree, clock: Clock, hour: int, tmp_path: Path) -> None:
    roles = ("master", "broker", "template", "guardian")
    before = [tree.pid_of(role) for role in roles], tree.worker_pids()
    clock.jump(hour)
    for number in range(20):
        tree.queue.submit(clock_tasks.tell, str(tmp_path / "told"), config=TaskConfig(delay=0.1 * number))
    told(tmp_path / "told", 20)
    assert ([tree.pid_of(role) for role in roles], tree.worker_pids()) == before


def test_an_interval_goes_on(tree: RunningTree, clock: Clock, hour: int, tmp_path: Path) -> None:
    path = tmp_path / "told"
    tree.queue.add_schedule(clock_tasks.tell, [str(path)], every=0.5, name="often")
    told(path, 2)
    clock.jump(hour)
    jumped = time.monotonic()
    firings = told(path, len(told(path, 2)) + 4)
    assert firings[-1][0] - jumped < 4 * 0.5 + LATE
    assert firings[-1][1] - firings[0][1] == pytest.approx(hour, abs=60)
    tree.queue.remove_schedule("often")
