"""Every part of the tree killed or stopped under load: it is back, and each accepted task ends once, as it should."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from supervisor import Cause, State
from supervisor.system import proc
from tests.conftest import MakeTree
from tests.support import bad_tasks, tasks
from tests.support.load import Load
from tests.support.processes import family, naming
from tests.support.shared import ended, written
from tests.support.tree import RunningTree
from tests.support.waiting import until

MODULES = ["tests.support.tasks", "tests.support.bad_tasks"]
BACK = 20.0
"""Seconds until a new task has run, on a machine that is busy with other things."""
ROLES = ["broker", "template", "guardian", "master"]
SIGNALS = {"killed": signal.SIGKILL, "stopped": signal.SIGSTOP}


def complete(tree: RunningTree, without: set[int], timeout: float = 30.0) -> dict[str, Any]:
    """Wait until every part of the tree is there, and none of them one of ``without``."""

    def whole() -> dict[str, Any] | None:
        status = tree.status()
        if status is None or status["ready"] < status["wanted"]:
            return None
        pids = [_pid(status, role) for role in ROLES] + [worker["pid"] for worker in status["workers"]]
        return status if all(pids) and not without & set(pids) else None

    try:
        return until(whole, f"a whole tree without {without}", timeout)
    except AssertionError as fault:
        raise AssertionError(f"{fault}; its status is {tree.status()}; the log says:\n{tree.tail()}") from fault


def _pid(status: dict[str, Any], role: str) -> int:
    found = status[role]
    return int(found["pid"] if isinstance(found, dict) else found)


def recover(tree: RunningTree) -> float:
    """Seconds until a task that is submitted now has run."""
    began = time.monotonic()
    assert tasks.add.on(tree.queue).delay(1, 2).result(timeout=BACK) == 3
    return time.monotonic() - began


@pytest.mark.parametrize("signum", SIGNALS.values(), ids=SIGNALS)
@pytest.mark.parametrize("role", ROLES)
def test_a_part_that_fails_under_load_is_back_and_nothing_is_lost(
    make_tree: MakeTree, tmp_path: Path, role: str, signum: int
) -> None:
    tree = make_tree(tasks=MODULES, cpus="off", workers=2)
    with Load(tree, tmp_path / "runs") as load:
        for _ in range(2):
            victim = tree.pid_of(role)
            tree.remember()
            os.kill(victim, signum)
            until(lambda: proc.state(victim) in (None, "Z"), f"the end of the {role}", 20)  # noqa: B023  called now
            assert recover(tree) < BACK
            complete(tree, {victim})
            load.more(30)
    records = load.records()
    assert Counter(record.state for record in records) == {State.SUCCEEDED: len(load.accepted)}
    runs = load.runs()
    assert set(load.accepted) <= set(runs)
    if role != "master":
        assert {record.attempt for record in records} == {1}
        assert set(runs.values()) == {1}


@pytest.mark.parametrize("signum", SIGNALS.values(), ids=SIGNALS)
def test_guardian_and_master_at_once_are_brought_back_by_their_owner(
    make_tree: MakeTree, tmp_path: Path, signum: int
) -> None:
    """The master is killed, the guardian killed or stopped."""
    tree = make_tree(tasks=MODULES, cpus="off", workers=2)
    with Load(tree, tmp_path / "runs") as load:
        guardian, master = tree.pid_of("guardian"), tree.pid_of("master")
        tree.remember()
        os.kill(master, signal.SIGSTOP)
        os.kill(guardian, signum)
        os.kill(master, signal.SIGKILL)
        assert recover(tree) < BACK
        complete(tree, {guardian, master})
        assert tree.process is not None
        assert proc.parent(tree.pid_of("guardian")) == tree.process.pid, "nobody else may start it"
        load.more(30)
    records = load.records()
    assert Counter(record.state for record in records) == {State.SUCCEEDED: len(load.accepted)}
    assert set(load.accepted) <= set(load.runs())


def test_guardian_and_master_at_once_are_brought_back_though_nobody_calls(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES, cpus="off", workers=1)
    for _ in range(2):
        gone = {tree.pid_of("guardian"), tree.pid_of("master")}
        for pid in gone:
            os.kill(pid, signal.SIGKILL)
        complete(tree, gone)
    assert tree.stop() == 0


def test_what_a_task_started_a_moment_ago_goes_with_its_master_though_that_was_adopted(
    make_tree: MakeTree, tmp_path: Path
) -> None:
    """The guardian is no ancestor of an adopted master, and has not looked since."""
    tree = make_tree(tasks=MODULES, cpus="off", workers=1)
    gone = {tree.pid_of("guardian"), tree.pid_of("master")}
    guardian = tree.pid_of("guardian")
    os.kill(guardian, signal.SIGKILL)
    complete(tree, {guardian})
    assert tree.pid_of("master") in gone
    task_id = tree.queue.submit(bad_tasks.leave_one_and_kill_the_master, str(tmp_path / "pid"))
    until((tmp_path / "pid").exists, "the task to start", 30.0)
    complete(tree, gone)
    child = int((tmp_path / "pid").read_text())
    until(lambda: proc.state(child) in (None, "Z"), "the end of the child", 20.0)
    assert tree.queue.wait(task_id, timeout=30.0).state is State.SUCCEEDED


def test_guardians_that_cannot_start_are_not_started_without_end(make_tree: MakeTree) -> None:
    """Somebody has cleared the folder of the owners away: each that is started finds nobody to guard for."""
    tree = make_tree(tasks=MODULES, cpus="off", workers=1)
    gone = {tree.pid_of("guardian"), tree.pid_of("master")}
    for path in (tree.dir / "owners").iterdir():
        path.unlink()
    for pid in gone:
        os.kill(pid, signal.SIGKILL)
    looked = time.monotonic() + 6.0
    until(lambda: time.monotonic() > looked, "a while in which it tries again", 20.0)
    assert 1 <= tree.log.read_text().count("starting it again") <= 4
    assert tree.process is not None
    assert tree.process.poll() is None
    assert [pid for pid in proc.children(tree.process.pid) if proc.state(pid) == "Z"] == []
    assert tree.stop() == 0


def test_a_tree_whose_guardian_is_stopped_ends_with_its_owner(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES, cpus="off", workers=1)
    guardian = tree.pid_of("guardian")
    os.kill(guardian, signal.SIGSTOP)
    assert tree.stop() == 0
    assert proc.state(guardian) in (None, "Z")
    assert tree.left_over() == []


# -- running tasks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["broker", "template", "guardian"])
def test_a_running_task_survives_and_is_not_run_twice(make_tree: MakeTree, tmp_path: Path, role: str) -> None:
    tree = make_tree(tasks=MODULES, cpus="off", workers=2)
    path, go = tmp_path / "runs", tmp_path / "go"
    handle = bad_tasks.note_and_wait.on(tree.queue).delay(str(path), str(go))
    pid = int(written(path))
    victim = tree.pid_of(role)
    os.kill(victim, signal.SIGKILL)
    complete(tree, {victim})
    assert recover(tree) < BACK
    assert handle.state() is State.RUNNING
    go.touch()
    assert handle.result(timeout=30) == pid
    assert handle.record().attempt == 1
    assert path.read_text().split() == [str(pid)]


def test_a_result_that_comes_while_there_is_no_broker_counts(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(tasks=MODULES, cpus="off", workers=2)
    for number in range(5):
        path, go = tmp_path / f"runs{number}", tmp_path / f"go{number}"
        handle = bad_tasks.note_and_wait.on(tree.queue).delay(str(path), str(go))
        pid = int(written(path))
        os.kill(tree.pid_of("broker"), signal.SIGKILL)
        go.touch()
        assert handle.result(timeout=30) == pid
        assert handle.record().attempt == 1
        assert path.read_text().split() == [str(pid)]


def test_a_deadline_is_kept_while_there_is_no_broker(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES, cpus="off", workers=2)
    handle = tasks.endless_loop.options(timeout=1.0, max_retries=0).on(tree.queue).delay()
    until(lambda: handle.state() is State.RUNNING, "it to run")
    os.kill(tree.pid_of("broker"), signal.SIGKILL)
    record = ended(tree.queue, handle.id)
    assert (record.state, record.cause) == (State.TIMED_OUT, Cause.TIMEOUT)
    assert record.started_at is not None
    assert record.ended_at is not None
    assert 1.0 <= record.ended_at - record.started_at < 5.0
    assert "about to loop" in record.output


def test_a_task_that_the_tree_took_down_with_it_is_run_again(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(tasks=MODULES, cpus="off", workers=2, crash_budget=1, max_retries=0)
    path, go = tmp_path / "runs", tmp_path / "go"
    handle = bad_tasks.note_and_wait.on(tree.queue).delay(str(path), str(go))
    for count in range(1, 4):
        until(lambda: path.exists() and len(path.read_text().split()) == count, "it to run", 30)  # noqa: B023
        os.kill(tree.pid_of("master"), signal.SIGKILL)
    until(lambda: len(path.read_text().split()) == 4, "it to run again", 30)
    go.touch()
    assert handle.result(timeout=30) == int(path.read_text().split()[-1])
    assert handle.record().attempt == 4


def test_a_task_that_takes_the_tree_down_each_time_is_lost_in_the_end(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(tasks=MODULES, cpus="off", workers=1, abort_budget=2)
    handle = bad_tasks.kill_the_master.on(tree.queue).delay(str(tmp_path / "runs"))
    record = ended(tree.queue, handle.id, 60)
    assert (record.state, record.cause) == (State.LOST, Cause.ABORT)
    assert len((tmp_path / "runs").read_text().split()) == 2
    assert recover(tree) < BACK


@pytest.mark.parametrize("first", ["nothing", "the guardian"])
def test_what_tasks_started_dies_with_the_master(make_tree: MakeTree, tmp_path: Path, first: str) -> None:
    tree = make_tree(tasks=MODULES, cpus="off", workers=2)
    if first == "the guardian":
        guardian = tree.pid_of("guardian")
        os.kill(guardian, signal.SIGKILL)
        complete(tree, {guardian})
    with family(tmp_path / "family") as path:
        handle = tasks.spawn_family.options(timeout=60).on(tree.queue).delay(str(path), "loop")
        until(lambda: path.exists() and len(path.read_text().split()) == 3, "the family to come", 20)
        old = naming(path)
        looked = time.monotonic() + 1.5
        until(lambda: time.monotonic() > looked, "a guardian that is not the master's parent to have seen them")
        master = tree.pid_of("master")
        os.kill(master, signal.SIGKILL)
        until(lambda: not set(naming(path)) & set(old), f"the end of the family {old}", 20)
        until(lambda: handle.state() is State.RUNNING, "it to run again", 30)
        assert handle.cancel()
        assert ended(tree.queue, handle.id).state is State.CANCELLED


# -- cancels ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["broker", "master"])
def test_an_acknowledged_cancel_outlives_the_part_that_took_it(make_tree: MakeTree, tmp_path: Path, role: str) -> None:
    tree = make_tree(tasks=MODULES, cpus="off", workers=2, cancel_grace=1.0, max_retries=5, retry_delay=0.01)
    path = tmp_path / "pid"
    for task in (bad_tasks.refuse_to_be_cancelled, tasks.tidy_up_when_cancelled):
        path.unlink(missing_ok=True)
        handle = task.on(tree.queue).delay(str(path))
        written(path)
        assert handle.cancel()
        os.kill(tree.pid_of(role), signal.SIGKILL)
        record = ended(tree.queue, handle.id)
        assert record.state is State.CANCELLED
        assert recover(tree) < BACK


# -- kills while workers are forked ----------------------------------------------------------------------------


@pytest.mark.parametrize("signum", SIGNALS.values(), ids=SIGNALS)
def test_a_template_that_fails_while_it_is_asked_for_workers(make_tree: MakeTree, signum: int) -> None:
    tree = make_tree(tasks=MODULES, cpus="off", workers=3)
    for _ in range(5):
        status = complete(tree, set())
        template = _pid(status, "template")
        workers = [worker["pid"] for worker in status["workers"]]
        os.kill(template, signum)
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        complete(tree, {template, *workers}, 20)
        assert recover(tree) < BACK


def test_workers_killed_again_and_again(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(tasks=MODULES, cpus="off", workers=3, crash_budget=100)
    with Load(tree, tmp_path / "runs") as load:
        for _ in range(15):
            for pid in complete(tree, set())["workers"]:
                os.kill(pid["pid"], signal.SIGKILL)
            load.more(5)
    records = load.records()
    assert Counter(record.state for record in records) == {State.SUCCEEDED: len(load.accepted)}
    status = complete(tree, set())
    until(lambda: len((tree.status() or status)["workers"]) == 3, "three workers and no more")


# -- applications that cannot be shared by forking -------------------------------------------------------------

_OBSTACLES = {
    "a thread": "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n",
    "a connection": "import socket\nends = socket.socketpair()\n",
}


@pytest.mark.parametrize("obstacle", _OBSTACLES)
def test_what_must_not_be_forked_is_imported_by_each_worker(
    make_tree: MakeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, obstacle: str
) -> None:
    slow = "import os, time\nPID = os.getpid()\ntime.sleep(0.5)\n"
    (tmp_path / "unshareable.py").write_text(slow + _OBSTACLES[obstacle])
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    tree = make_tree(tasks=["unshareable", "tests.support.tasks"], cpus="off", workers=1)
    status = until(lambda: _with_spare(tree), "a spare", 30)
    assert any(obstacle.split()[1] in sentence for sentence in status["template"]["obstacles"])
    spare = next(worker["pid"] for worker in status["workers"] if worker["spare"])
    worker = next(worker["pid"] for worker in status["workers"] if not worker["spare"])
    os.kill(worker, signal.SIGKILL)
    assert tasks.who_am_i.on(tree.queue).delay().result(timeout=BACK)[0] == spare
    assert bad_tasks.imported_by.on(tree.queue).delay("unshareable").result(timeout=BACK) == spare
    until(lambda: _with_spare(tree), "another spare", 30)


def _with_spare(tree: RunningTree) -> dict[str, Any] | None:
    status = tree.status()
    assert status is not None
    spares = [worker for worker in status["workers"] if worker["spare"] and worker["stage"] == "ready"]
    return status if spares and status["ready"] >= status["wanted"] else None


def test_worker_and_spare_killed_at_once(make_tree: MakeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "unshareable.py").write_text(_OBSTACLES["a connection"])
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    tree = make_tree(tasks=["unshareable", "tests.support.tasks"], cpus="off", workers=1)
    for _ in range(5):
        status = until(lambda: _with_spare(tree), "a spare", 30)
        for worker in sorted(status["workers"], key=lambda worker: not worker["spare"]):
            os.kill(worker["pid"], signal.SIGKILL)
        assert recover(tree) < BACK
        assert tree.pid_of("master") == status["master"]


# -- code that cannot be imported ------------------------------------------------------------------------------


def test_tasks_wait_for_code_that_cannot_be_imported_at_first(
    make_tree: MakeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "broken.py"
    module.write_text("raise RuntimeError('the settings of this machine are missing')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    tree = make_tree(start=False, tasks=["broken", "tests.support.tasks"], cpus="off", workers=1)
    tree.start(wait=False)

    def reason() -> str | None:
        status = tree.status()
        return status["template"]["error"] if status else None

    assert "the settings of this machine are missing" in until(reason, "the reason in the status", 20)
    handle = tasks.add.on(tree.queue).delay(1, 2)
    assert handle.state() is State.QUEUED
    module.write_text("# mended\n")
    assert handle.result(timeout=60) == 3
    assert handle.record().attempt == 1
    assert reason() == ""
