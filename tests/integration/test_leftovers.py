"""Processes that a task started: killed when it has ended, and at its service as long as it runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor import State
from supervisor.system import proc
from tests.conftest import MakeTree
from tests.support import bad_tasks, tasks
from tests.support.processes import busy, family, naming
from tests.support.shared import ended, running, stack_of
from tests.support.tree import RunningTree
from tests.support.waiting import until

METHODS = ["fork", "spawn", "forkserver"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with running(tmp_path_factory.mktemp("leftovers"), workers=1, max_retries=0) as tree:
        yield tree


def test_what_a_task_leaves_is_dead_when_its_result_is_there(shared: RunningTree, tmp_path: Path) -> None:
    with family(tmp_path / "family") as path:
        handle = tasks.spawn_family.on(shared.queue).delay(str(path), "return")
        assert handle.result(timeout=30) is None
        assert naming(path) == []


def test_what_a_failed_task_leaves_is_dead_too(shared: RunningTree, tmp_path: Path) -> None:
    with family(tmp_path / "family") as path:
        handle = bad_tasks.fail_beside_a_child.on(shared.queue).delay(str(path))
        assert ended(shared.queue, handle.id).state is State.FAILED
        assert naming(path) == []


@pytest.mark.parametrize("kind", ["one session", "sessions"])
def test_families_that_fork_and_leave_do_not_outlive_their_task(shared: RunningTree, tmp_path: Path, kind: str) -> None:
    with family(tmp_path / "family") as path:
        handle = bad_tasks.respawn.on(shared.queue).delay(str(path), 8, kind, "return")
        assert handle.result(timeout=30) == "left them"
        look = busy(path)
        until(lambda: not next(look), "the end of the families", 20, pause=0.3)
    assert tasks.add.on(shared.queue).delay(1, 2).result(timeout=20) == 3


def test_a_task_may_leave_its_children_if_it_says_so(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(workers=1, cpus="off")
    with family(tmp_path / "family") as path:
        task = bad_tasks.leave_one_behind.options(leave_children=True).on(tree.queue)
        pid = task.delay(str(path)).result(timeout=30)
        assert tasks.add.on(tree.queue).delay(1, 2).result(timeout=20) == 3
        assert naming(path) == [pid]


def test_what_may_stay_ends_with_the_worker(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(workers=1, cpus="off", max_tasks=2)
    with family(tmp_path / "family") as path:
        task = bad_tasks.leave_one_behind.options(leave_children=True).on(tree.queue)
        task.delay(str(path)).result(timeout=30)
        until(lambda: [tasks.noop.on(tree.queue).delay().result(timeout=20), not naming(path)][1], "its end", 20)


# -- what a task may use ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_task_may_use_a_pool_again_and_again(shared: RunningTree, method: str) -> None:
    for _ in range(3):
        assert bad_tasks.use_a_pool.on(shared.queue).delay(method, 10).result(timeout=60) == 285


@pytest.mark.parametrize("method", METHODS)
def test_a_task_may_use_an_executor_again_and_again(shared: RunningTree, method: str) -> None:
    for _ in range(3):
        assert bad_tasks.use_an_executor.on(shared.queue).delay(method, 10).result(timeout=60) == 285


@pytest.mark.parametrize("method", METHODS)
def test_a_child_of_a_task_ends_when_asked(shared: RunningTree, method: str) -> None:
    assert bad_tasks.terminate_a_child.on(shared.queue).delay(method).result(timeout=60) == -signal.SIGTERM


def test_a_program_of_a_task_ends_when_asked(shared: RunningTree) -> None:
    assert bad_tasks.terminate_a_subprocess.on(shared.queue).delay().result(timeout=30) == -signal.SIGTERM


def test_programs_of_a_task_ignore_and_block_nothing(shared: RunningTree) -> None:
    masks = bad_tasks.signals_of_a_subprocess.on(shared.queue).delay().result(timeout=30)
    assert masks["SigBlk"] == 0
    ours = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGALRM, signal.SIGCHLD)
    assert [signum.name for signum in ours if masks["SigIgn"] >> (signum - 1) & 1] == []


def test_a_crash_of_a_child_is_not_shown_as_that_of_a_later_task(shared: RunningTree) -> None:
    assert bad_tasks.crash_in_a_forked_child.on(shared.queue).delay().result(timeout=30) == signal.SIGSEGV
    late = tasks.endless_loop.options(timeout=0.5).on(shared.queue).delay()
    record = ended(shared.queue, late.id)
    assert "Segmentation fault" not in stack_of(record)
    assert "in endless_loop" in stack_of(record)


def test_a_fork_of_a_task_that_returns_is_not_a_second_worker(shared: RunningTree, tmp_path: Path) -> None:
    with family(tmp_path / "forks") as path:
        assert bad_tasks.return_twice.on(shared.queue).delay(str(path)).result(timeout=30) == "parent"
        assert path.read_text() == "0"
        assert tasks.add.on(shared.queue).delay(1, 2).result(timeout=20) == 3


def test_a_crash_of_a_child_is_told_in_the_output(shared: RunningTree) -> None:
    handle = bad_tasks.crash_in_a_forked_child.on(shared.queue).delay()
    handle.result(timeout=30)
    assert "Segmentation fault" in handle.record().output


def test_children_of_a_task_do_not_keep_its_worker_from_being_replaced(shared: RunningTree, tmp_path: Path) -> None:
    with family(tmp_path / "family") as path:
        handle = tasks.spawn_family.options(crash_budget=1).on(shared.queue).delay(str(path), "loop")
        until(lambda: path.exists() and len(path.read_text().split()) == 3, "the family to come", 20)
        worker = handle.record().worker
        assert worker is not None
        os.kill(worker, signal.SIGKILL)
        assert ended(shared.queue, handle.id).state is State.LOST
        until(lambda: not naming(path), "the end of the family")
    assert tasks.who_am_i.on(shared.queue).delay().result(timeout=20)[0] != worker
    assert proc.state(worker) in (None, "Z")
