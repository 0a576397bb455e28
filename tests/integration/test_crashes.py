"""Crashes: what dies is run again while its budget lasts, says of what it died, and nobody else notices."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from supervisor import Cause, State, TaskConfig, WorkerLostError
from tests.conftest import MakeTree
from tests.support import bad_tasks, tasks
from tests.support.shared import ended, running, written
from tests.support.tree import RunningTree
from tests.support.waiting import until


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with running(tmp_path_factory.mktemp("crashes")) as tree:
        yield tree


@dataclass(frozen=True)
class Crash:
    """A way to die, and what is said of it."""

    how: str
    cause: Cause
    says: str
    stack: bool


CRASHES = {
    "a segmentation fault": Crash("segfault", Cause.SIGNAL, "SIGSEGV", stack=True),
    "abort": Crash("abort", Cause.SIGNAL, "SIGABRT", stack=True),
    "a division by zero in C": Crash("SIGFPE", Cause.SIGNAL, "SIGFPE", stack=True),
    "a kill by itself": Crash("SIGKILL", Cause.SIGNAL, "SIGKILL", stack=False),
    "a signal without a handler": Crash("SIGUSR1", Cause.SIGNAL, "SIGUSR1", stack=False),
    "leaving": Crash("exit", Cause.EXIT, "exit code 23", stack=False),
}


@pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES)
def test_a_task_that_dies_is_lost_when_its_budget_is_used_up(shared: RunningTree, tmp_path: Path, crash: Crash) -> None:
    path = tmp_path / "runs"
    handle = bad_tasks.die.on(shared.queue).delay(str(path), crash.how)
    with pytest.raises(WorkerLostError, match=crash.says):
        handle.result(timeout=60)
    record = handle.record()
    assert (record.state, record.cause) == (State.LOST, crash.cause)
    assert record.attempt == 3  # the default budget
    pids = path.read_text().split()
    assert len(pids) == len(set(pids)) == 3
    assert record.worker == int(pids[-1])
    assert "about to die" in record.output
    assert record.error is not None
    assert crash.says in record.error.message
    assert ("in die" in (record.error.stack or "")) is crash.stack
    assert handle.id in [each.id for each in shared.queue.dead_letters(name=record.name)]


def test_a_real_segmentation_fault_keeps_its_stack(shared: RunningTree) -> None:
    record = ended(shared.queue, tasks.segfault.options(crash_budget=1).on(shared.queue).delay().id)
    assert (record.state, record.cause) == (State.LOST, Cause.SIGNAL)
    assert record.error is not None
    assert "SIGSEGV" in record.error.message
    assert "in segfault" in (record.error.stack or "")


def test_the_budget_is_apart_from_the_retries(shared: RunningTree, tmp_path: Path) -> None:
    task = bad_tasks.die_first.options(crash_budget=3, max_retries=0).on(shared.queue)
    assert task.delay(str(tmp_path / "runs"), 2).result(timeout=60) == 3
    assert (tmp_path / "runs").read_text() == "run\n" * 3


def test_a_kill_from_outside_costs_an_attempt_and_no_more(shared: RunningTree, tmp_path: Path) -> None:
    path = tmp_path / "runs"
    task = bad_tasks.first_sleep_then_return.on(shared.queue)
    handle = task.delay(str(path))
    os.kill(int(written(path)), signal.SIGKILL)
    assert handle.result(timeout=60) == 2


def test_a_kill_of_an_idle_worker_costs_nobody_anything(shared: RunningTree) -> None:
    for _ in range(5):
        shared.wait_ready()
        os.kill(shared.worker_pids()[0], signal.SIGKILL)
        record = ended(shared.queue, tasks.add.on(shared.queue).delay(1, 2).id)
        assert (record.state, record.result) == (State.SUCCEEDED, 3)


def test_other_tasks_go_on_beside_crashes(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(workers=3, cpus="off", tasks=["tests.support.bad_tasks", "tests.support.tasks"])
    long = tasks.wait_for_file.on(tree.queue).delay(str(tmp_path / "go"))
    until(lambda: long.state() is State.RUNNING, "the long task to run")
    crashing = bad_tasks.die.on(tree.queue).map([(str(tmp_path / "runs"), "segfault")] * 8)
    others = tasks.add.on(tree.queue).map([(number, 1) for number in range(200)])
    assert [other.result(timeout=60) for other in others] == [number + 1 for number in range(200)]
    assert {ended(tree.queue, crash.id, 60).state for crash in crashing} == {State.LOST}
    assert len((tmp_path / "runs").read_text().split()) == 24
    (tmp_path / "go").touch()
    assert long.result(timeout=30) == "seen"
    assert long.record().attempt == 1


def test_tasks_given_together_with_one_that_crashes_are_not_charged(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(workers=1, cpus="off", log_level="info")
    learn = tree.queue.submit_many(bad_tasks.short, [(str(tmp_path / "learned"), n, -1) for n in range(100)])
    ended(tree.queue, learn[-1])
    path = tmp_path / "runs"
    ids = tree.queue.submit_many(
        bad_tasks.short, [(str(path), n, 40) for n in range(100)], config=TaskConfig(crash_budget=2)
    )
    attempts = [ended(tree.queue, task_id).result for task_id in ids]
    assert attempts == [1] * 40 + [2] + [1] * 59
    runs = path.read_text().split()
    assert {number: runs.count(number) for number in set(runs) if runs.count(number) > 1} == {"40": 2}


# -- workers that do not get ready -----------------------------------------------------------------------------

_STARTS = """
import os, time
from supervisor import on_worker_start, task

@on_worker_start
def begin() -> None:
    if os.path.exists({flag!r}):
        if {how!r} == "hang":
            time.sleep(600)
        raise RuntimeError("the database is away")

@task
def add(left: int, right: int) -> int:
    return left + right
"""


@pytest.mark.parametrize("how", ["raise", "hang"])
def test_a_worker_that_does_not_get_ready_is_replaced_with_pauses(
    make_tree: MakeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    (tmp_path / "bad_starts.py").write_text(_STARTS.format(flag=str(flag), how=how))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    tree = make_tree(start=False, workers=1, ready_timeout=0.5, tasks=["tests.support.tasks", "bad_starts"], cpus="off")
    tree.start(wait=False)
    until(tree.status, "a master that answers", 20)
    handle = tasks.add.on(tree.queue).delay(1, 2)

    def pauses() -> list[float]:
        return [float(found) for found in re.findall(r"the next is forked in ([\d.]+) s", tree.tail(10_000))]

    seen = until(lambda: found if len(found := pauses()) >= 3 else None, "three workers to fail", 60)
    assert seen[0] < seen[1] < seen[2]
    assert handle.state() is State.QUEUED
    if how == "raise":
        assert "the database is away" in tree.tail(10_000)
    flag.unlink()
    assert handle.result(timeout=60) == 3
    assert handle.record().attempt == 1
