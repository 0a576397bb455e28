"""Cancelling: what waits is removed, what runs is asked and then killed, and no other task is ever touched."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from supervisor import Cause, State, TaskCancelledError, TaskConfig, UnknownTaskError
from supervisor.system import proc
from supervisor.tasks import Task
from tests.conftest import MakeTree
from tests.support import bad_tasks, tasks
from tests.support.processes import family, naming
from tests.support.shared import ended, running, stack_of, written
from tests.support.tree import RunningTree
from tests.support.waiting import until

GRACE = 1.0
RACES = int(os.environ.get("CANCEL_RACES", "300"))
"""1,000 by hand."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with running(tmp_path_factory.mktemp("cancelling"), cancel_grace=GRACE, workers=2) as tree:
        yield tree


def occupy(tree: RunningTree, path: Path, workers: int = 2) -> None:
    """Give every worker something to do until ``path`` is there."""
    for _ in range(workers):
        tree.queue.submit(tasks.wait_for_file, str(path))
    until(lambda: tree.queue.stats().unfinished.get("running", 0) == workers, "every worker to be busy")


def test_a_task_that_waits_is_removed(shared: RunningTree, tmp_path: Path) -> None:
    occupy(shared, tmp_path / "go")
    handle = tasks.note.on(shared.queue).delay(str(tmp_path / "runs"))
    assert handle.cancel()
    assert handle.state() is State.CANCELLED
    with pytest.raises(TaskCancelledError):
        handle.result(timeout=10)
    (tmp_path / "go").touch()
    assert tasks.add.on(shared.queue).delay(1, 2).result(timeout=20) == 3
    assert not (tmp_path / "runs").exists()
    assert not handle.cancel()  # it is over


def test_a_task_that_is_to_start_later_is_removed(shared: RunningTree, tmp_path: Path) -> None:
    handle = tasks.note.options(delay=0.5).on(shared.queue).delay(str(tmp_path / "runs"))
    assert handle.cancel()
    later = tasks.add.options(delay=0.8).on(shared.queue).delay(1, 2)
    assert later.result(timeout=20) == 3
    assert handle.state() is State.CANCELLED
    assert not (tmp_path / "runs").exists()


def test_a_task_that_waits_for_its_retry_is_removed(shared: RunningTree) -> None:
    handle = tasks.fail.options(max_retries=5, retry_delay=30).on(shared.queue).delay()
    until(lambda: handle.state() is State.RETRYING, "the first failure")
    assert handle.cancel()
    assert handle.state() is State.CANCELLED


def test_all_that_waits_is_cleared_away_and_what_runs_is_not(shared: RunningTree, tmp_path: Path) -> None:
    queue, later = shared.queue, tasks.add.options(delay=3600).on(shared.queue)
    occupy(shared, tmp_path / "go")
    running = [each.id for each in queue.active()]
    many = tasks.add.on(queue).map([(number, 1) for number in range(1200)])  # more than a slice, and than two
    others = [later.delay(1, 2), later.options(queue="another").delay(1, 2)]
    child = tasks.add.options(parent=others[0], on_parent_cancel="run").on(queue).delay(1, 2)
    named = tasks.add.options(name="something else").on(queue).delay(1, 2)
    assert queue.clear(name="*.nobody") == 0
    assert queue.clear(queue="another") == 1
    assert [each.state() for each in others] == [State.SCHEDULED, State.CANCELLED]
    assert queue.clear(name="tests.support.tasks.a*") == 1202  # the child, too
    assert {each.state() for each in [*many[::400], *others, child]} == {State.CANCELLED}
    assert asyncio.run(queue.aclear()) == 1
    assert named.state() is State.CANCELLED
    assert [queue.state(each) for each in running] == [State.RUNNING] * 2
    (tmp_path / "go").touch()
    assert {queue.wait(each, timeout=20).state for each in running} == {State.SUCCEEDED}


def test_an_unknown_task_cannot_be_cancelled(shared: RunningTree) -> None:
    with pytest.raises(UnknownTaskError):
        shared.queue.cancel("0" * 32)


@pytest.mark.parametrize(
    "task", [tasks.tidy_up_when_cancelled, bad_tasks.tidy_up_when_cancelled_async], ids=["a function", "a coroutine"]
)
def test_a_running_task_is_told_first_and_may_tidy_up(
    shared: RunningTree, tmp_path: Path, task: Task[Any, Any]
) -> None:
    path = tmp_path / "said"
    handle = task.on(shared.queue).delay(str(path))
    assert written(path) == "started"
    assert handle.cancel()
    with pytest.raises(TaskCancelledError):
        handle.result(timeout=20)
    record = handle.record()
    assert path.read_text() == "cancelled"
    assert (record.state, record.cause) == (State.CANCELLED, Cause.CANCELLED)
    assert record.worker is not None
    assert proc.state(record.worker) is not None  # it ended by itself: its worker lives


@pytest.mark.parametrize(
    "task",
    [bad_tasks.refuse_to_be_cancelled, bad_tasks.block_signals_quietly],
    ids=["it goes on regardless", "it blocks every signal"],
)
def test_a_running_task_that_does_not_end_is_killed(shared: RunningTree, tmp_path: Path, task: Task[Any, Any]) -> None:
    path = tmp_path / "pid"
    handle = task.on(shared.queue).delay(str(path))
    pid = int(written(path))
    cancelled_at = time.time()
    assert handle.cancel()
    record = ended(shared.queue, handle.id)
    assert (record.state, record.cause) == (State.CANCELLED, Cause.CANCELLED)
    assert record.ended_at is not None
    assert GRACE * 0.9 <= record.ended_at - cancelled_at < GRACE + 3
    assert proc.state(pid) in (None, "Z")
    assert stack_of(record)


def test_a_cancelled_task_takes_its_family_along(shared: RunningTree, tmp_path: Path) -> None:
    with family(tmp_path / "family") as path:
        handle = tasks.spawn_family.on(shared.queue).delay(str(path), "loop")
        until(lambda: path.exists() and len(path.read_text().split()) == 3, "the family to come", 20)
        assert handle.cancel()
        assert ended(shared.queue, handle.id).state is State.CANCELLED
        until(lambda: not naming(path), "the end of the family")


def test_a_cancelled_task_is_not_run_again(shared: RunningTree, tmp_path: Path) -> None:
    path = tmp_path / "runs"
    task = bad_tasks.sleep_softly.options(max_retries=5, retry_delay=0, crash_budget=5)
    handle = task.on(shared.queue).delay(str(path), False)
    written(path)
    assert handle.cancel()
    assert ended(shared.queue, handle.id).state is State.CANCELLED
    assert tasks.add.on(shared.queue).delay(1, 2).result(timeout=20) == 3
    assert path.read_text() == "run\n"


@pytest.mark.parametrize("grace", [0.0, 0.3], ids=["killed at once", "asked first"])
def test_a_cancel_that_races_with_the_end_touches_no_other_task(make_tree: MakeTree, grace: float) -> None:
    """Each task is cancelled at about the time when it ends; the tasks behind it in the same workers run to theirs."""
    tree = make_tree(
        cancel_grace=grace, cpus="off", tasks=["tests.support.bad_tasks"], crash_budget=1, log_level="info"
    )
    # Of unknown length, so that they are handed out one by one.
    config = TaskConfig(max_retries=0)
    dice = random.Random(7)

    def race(number: int) -> tuple[str, str]:
        bait = tree.queue.submit(bad_tasks.spin, 0.004, config=config)
        bystander = tree.queue.submit(bad_tasks.spin, 0.004, config=config)
        until(lambda: tree.queue.state(bait) is not State.QUEUED, "its start", pause=0.0002)
        when = time.perf_counter() + dice.random() * 0.006
        until(lambda: time.perf_counter() > when, "a moment", pause=0.0002)
        tree.queue.cancel(bait)
        return bait, bystander

    with ThreadPoolExecutor(2) as pool:
        raced = list(pool.map(race, range(RACES)))
    baits = [ended(tree.queue, bait) for bait, _ in raced]
    bystanders = [ended(tree.queue, bystander) for _, bystander in raced]
    assert [record for record in bystanders if record.state is not State.SUCCEEDED] == []
    assert {record.state for record in baits} == {State.SUCCEEDED, State.CANCELLED}
    assert all(record.attempt == 1 for record in bystanders)
    status = tree.wait_ready()
    until(lambda: len((tree.status() or status)["workers"]) == status["wanted"], "no worker more than wanted")


def test_a_task_that_ended_before_its_cancel_keeps_its_result(shared: RunningTree) -> None:
    handle = tasks.add.on(shared.queue).delay(1, 2)
    assert handle.result(timeout=20) == 3
    assert not handle.cancel()
    assert handle.record().result == 3
