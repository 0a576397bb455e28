"""Memory: what takes too much is killed while it runs, and only that."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor import Cause, State, WorkerLostError
from tests.conftest import MakeTree
from tests.support import bad_tasks, tasks
from tests.support.shared import ended, running, written
from tests.support.tree import RunningTree
from tests.support.waiting import until

SOON = 10.0
"""Long before a task that was not killed would end by itself."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with running(tmp_path_factory.mktemp("memory"), crash_budget=1) as tree:
        yield tree


def test_a_task_over_its_limit_is_killed_while_it_runs(shared: RunningTree) -> None:
    handle = tasks.take_memory.options(memory_limit="100M").on(shared.queue).delay(1000)
    with pytest.raises(WorkerLostError, match="over its memory limit of 100 MiB"):
        handle.result(timeout=30)
    record = handle.record()
    assert (record.state, record.cause) == (State.LOST, Cause.MEMORY)
    assert record.started_at is not None
    assert record.ended_at is not None
    assert record.ended_at - record.started_at < SOON
    assert record.error is not None
    assert record.error.stack is not None
    assert "in take_memory" in record.error.stack


def test_what_a_child_takes_counts(shared: RunningTree) -> None:
    handle = bad_tasks.child_holds_memory.options(memory_limit="100M").on(shared.queue).delay(300)
    record = ended(shared.queue, handle.id)
    assert (record.state, record.cause) == (State.LOST, Cause.MEMORY)
    assert "a child takes it" in record.output


def test_the_limit_of_the_settings_holds_for_all(make_tree: MakeTree) -> None:
    tree = make_tree(memory_limit="100M", crash_budget=1, cpus="off")
    greedy = tree.queue.submit(bad_tasks.hold_memory, 300)
    unlimited = bad_tasks.hold_memory.options(memory_limit=None).on(tree.queue).delay(200, "", 0.5)
    assert ended(tree.queue, greedy).cause is Cause.MEMORY
    assert unlimited.result(timeout=30) == "held"


def test_a_task_below_its_limit_is_left_alone(shared: RunningTree) -> None:
    task = bad_tasks.hold_memory.options(memory_limit="300M")
    assert task.on(shared.queue).delay(150, "", 0.5).result(timeout=30) == "held"


def test_memory_that_children_share_counts_once(shared: RunningTree) -> None:
    task = bad_tasks.share_memory.options(memory_limit="300M")
    assert task.on(shared.queue).delay(150, 4, 1.0).result(timeout=30) == "shared"


def test_a_crash_for_memory_is_run_again_within_the_crash_budget(shared: RunningTree, tmp_path: Path) -> None:
    path = tmp_path / "runs"
    task = bad_tasks.hold_memory.options(memory_limit="100M", crash_budget=2)
    record = ended(shared.queue, task.on(shared.queue).delay(300, str(path)).id)
    assert (record.state, record.attempt) == (State.LOST, 2)
    assert len(path.read_text().split()) == 2


def test_a_task_that_takes_its_memory_at_once_is_caught_soon(shared: RunningTree) -> None:
    """Somebody has to look from its first moment on, even where nothing had a limit before."""
    for _ in range(5):
        task = bad_tasks.hold_memory.options(memory_limit="50M").on(shared.queue)
        record = ended(shared.queue, task.delay(200).id)
        assert record.cause is Cause.MEMORY
        assert record.started_at is not None
        assert record.ended_at is not None
        assert record.ended_at - record.started_at < 3.0


def test_the_budget_kills_the_largest(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(memory_budget="400M", crash_budget=1, cpus="off")
    small = bad_tasks.hold_memory.on(tree.queue).delay(150, str(tmp_path / "small"), 5.0)
    written(tmp_path / "small")
    large = bad_tasks.hold_memory.on(tree.queue).delay(350, str(tmp_path / "large"))
    record = ended(tree.queue, large.id)
    assert (record.state, record.cause) == (State.LOST, Cause.MEMORY)
    assert record.error is not None
    assert "over the budget of 400 MiB" in record.error.message
    assert small.result(timeout=30) == "held"


def test_the_budget_takes_an_idle_hoarder_without_harm_to_the_next_task(make_tree: MakeTree) -> None:
    """A worker that kept what its last task took is replaced; nobody is charged."""
    tree = make_tree(workers=1, memory_budget="200M", crash_budget=1, cpus="off")
    hoarder = bad_tasks.leak.on(tree.queue).delay(300)
    until(lambda: hoarder.state().ended, "the end of the task that leaks", 30)
    until(lambda: hoarder.record().worker not in tree.worker_pids(), "the hoarder's replacement", 20)
    began = time.monotonic()
    while time.monotonic() - began < 2.0:
        assert tasks.add.on(tree.queue).delay(1, 2).result(timeout=20) == 3
