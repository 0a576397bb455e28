"""Hard and soft limits: what hangs is dead at its deadline, with all that it started, and says where it hung."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from supervisor import Cause, State, TaskRecord, TaskTimeoutError
from supervisor.system import proc
from supervisor.tasks import Task
from tests.conftest import MakeTree
from tests.support import bad_tasks, tasks
from tests.support.processes import busy, family, naming
from tests.support.shared import ended, running, stack_of, written
from tests.support.tree import RunningTree
from tests.support.waiting import until

LATE = 2.0
"""Seconds by which a kill may be late here; how late it is on a quiet machine is for the measurements."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with running(tmp_path_factory.mktemp("killing"), workers=3) as tree:
        yield tree


@dataclass(frozen=True)
class Hang:
    """A way to hang, what it prints before, and what its stack names."""

    task: Task[Any, Any]
    prints: str
    line: str


HANGS = {
    "an endless loop in Python": Hang(tasks.endless_loop, "about to loop", "in endless_loop"),
    "a C call that keeps the GIL": Hang(tasks.hold_the_gil, "about to hold the GIL", "in hold_the_gil"),
    "C code of the interpreter itself": Hang(bad_tasks.search_for_ever, "about to search", "in search_for_ever"),
    "a worker that is stopped": Hang(tasks.stop_itself, "about to stop", "in stop_itself"),
    "a worker that blocks every signal": Hang(tasks.block_all_signals, "about to block", "in block_all_signals"),
    "a coroutine that never yields": Hang(tasks.never_yields, "about to hold the event loop", "in never_yields"),
}


def lateness(record: TaskRecord, timeout: float) -> float:
    """Seconds between the deadline and the end of the only attempt."""
    assert record.started_at is not None
    assert record.ended_at is not None
    return record.ended_at - record.started_at - timeout


@pytest.mark.parametrize("hang", HANGS.values(), ids=HANGS)
def test_a_hang_is_dead_at_its_deadline_and_says_where_it_hung(shared: RunningTree, hang: Hang) -> None:
    handle = hang.task.options(timeout=1.5, max_retries=0).on(shared.queue).delay()
    with pytest.raises(TaskTimeoutError) as caught:
        handle.result(timeout=30)
    record = handle.record()
    assert record.state is State.TIMED_OUT
    assert record.cause is Cause.TIMEOUT
    assert 0 <= lateness(record, 1.5) < LATE
    assert hang.prints in record.output
    assert hang.line in stack_of(record)
    assert hang.line in str(caught.value)
    assert record.worker is not None
    assert proc.state(record.worker) in (None, "Z")
    (attempt,) = shared.queue.attempts(record.id)
    assert attempt.worker == record.worker


@pytest.mark.parametrize("hang", HANGS.values(), ids=HANGS)
def test_a_short_limit_is_kept_as_well(shared: RunningTree, hang: Hang) -> None:
    handle = hang.task.options(timeout=0.3, max_retries=0).on(shared.queue).delay()
    record = ended(shared.queue, handle.id)
    assert record.state is State.TIMED_OUT
    assert 0 <= lateness(record, 0.3) < LATE
    assert hang.prints in record.output


def test_where_no_stack_can_be_had_a_sentence_says_why(shared: RunningTree) -> None:
    task = bad_tasks.ignore_all_signals.options(timeout=0.3, max_retries=0)
    record = ended(shared.queue, task.on(shared.queue).delay().id)
    assert "no stack" in stack_of(record)
    assert "ignores every signal" in stack_of(record)


def test_the_thread_that_waits_to_be_asked_is_in_no_stack(shared: RunningTree) -> None:
    task = tasks.block_all_signals.options(timeout=0.3, max_retries=0)
    stack = stack_of(ended(shared.queue, task.on(shared.queue).delay().id))
    assert "in block_all_signals" in stack
    assert "no Python frame" not in stack
    assert stack.count("most recent call first") == 1


def test_stacks_of_many_threads_are_kept_within_bounds(shared: RunningTree) -> None:
    """What one message cannot hold, and what many at once do."""
    broker = shared.pid_of("broker")
    task = bad_tasks.hang_with_many_threads.options(timeout=4.0, max_retries=0, crash_budget=1)
    handles = task.on(shared.queue).map([(90,)] * 3)
    crashed = task.on(shared.queue).delay(90, "SIGABRT")
    for handle in [*handles, crashed]:
        record = ended(shared.queue, handle.id, 60)
        assert record.state is (State.LOST if handle is crashed else State.TIMED_OUT)
        assert "in dig" in stack_of(record)
        assert len(stack_of(record)) < 150_000
    assert "in hang_with_many_threads" in stack_of(crashed.record())
    assert shared.pid_of("broker") == broker


def test_a_worker_is_ready_again_after_each_kill(shared: RunningTree) -> None:
    handles = tasks.endless_loop.options(timeout=0.3, max_retries=0).on(shared.queue).map([()] * 6)
    assert {ended(shared.queue, handle.id).state for handle in handles} == {State.TIMED_OUT}
    status = shared.wait_ready()
    assert len(status["workers"]) == status["wanted"] == 3
    assert tasks.add.on(shared.queue).delay(1, 2).result(timeout=20) == 3


# -- with all that they started --------------------------------------------------------------------------------


def test_a_child_a_session_and_a_daemon_die_with_their_task(shared: RunningTree, tmp_path: Path) -> None:
    with family(tmp_path / "family") as path:
        handle = tasks.spawn_family.options(timeout=5.0, max_retries=0).on(shared.queue).delay(str(path))
        until(lambda: path.exists() and len(path.read_text().split()) == 3, "the family to come", 20)
        assert len(naming(path)) >= 3
        assert ended(shared.queue, handle.id).state is State.TIMED_OUT
        until(lambda: not naming(path), f"the end of the family: {naming(path)}")


@pytest.mark.parametrize("kind", ["one session", "sessions"])
def test_families_that_fork_and_leave_die_with_their_task(shared: RunningTree, tmp_path: Path, kind: str) -> None:
    with family(tmp_path / "family") as path:
        task = bad_tasks.respawn.options(timeout=2.0, max_retries=0).on(shared.queue)
        handle = task.delay(str(path), 12, kind, "loop")
        until(lambda: path.exists() and path.stat().st_size > 100, "the families to come", 20)
        assert ended(shared.queue, handle.id).state is State.TIMED_OUT
        look = busy(path)
        until(lambda: not next(look), "the end of the families", 10, pause=0.3)
    assert tasks.add.on(shared.queue).delay(1, 2).result(timeout=20) == 3


# -- what counts -----------------------------------------------------------------------------------------------


def test_a_timeout_counts_as_a_failure_and_is_retried(shared: RunningTree, tmp_path: Path) -> None:
    task = bad_tasks.loop_again.options(timeout=0.3, max_retries=2, retry_delay=0.05).on(shared.queue)
    record = ended(shared.queue, task.delay(str(tmp_path / "runs")).id)
    assert (tmp_path / "runs").read_text().split() == ["1", "2", "3"]
    assert (record.state, record.attempt) == (State.TIMED_OUT, 3)


def test_no_timeout_means_none_and_the_setting_holds_for_the_others(make_tree: MakeTree) -> None:
    tree = make_tree(timeout=0.5, max_retries=0, cpus="off")
    unlimited = tasks.sleep.options(timeout=None).on(tree.queue).delay(1.5)
    limited = tasks.sleep.on(tree.queue).delay(1.5)
    assert ended(tree.queue, limited.id).state is State.TIMED_OUT
    assert unlimited.result(timeout=20) == "slept"


def test_an_end_after_the_fence_does_not_count(shared: RunningTree) -> None:
    """The signal that asks for the stack makes the hung C call return: the task would succeed, too late."""
    for _ in range(5):
        task = tasks.hold_the_gil.options(timeout=0.4, max_retries=0).on(shared.queue)
        assert ended(shared.queue, task.delay().id).state is State.TIMED_OUT


def test_a_kill_does_not_wait_for_a_broker_that_is_busy(make_tree: MakeTree) -> None:
    """Nor does it dump then: the task would return, and its end be there before the fence."""
    tree = make_tree(workers=2, max_retries=0, cpus="off")
    handle = tasks.hold_the_gil.options(timeout=1.0).on(tree.queue).delay()
    until(lambda: handle.state() is State.RUNNING, "it to run")
    pid = handle.record().worker
    assert pid is not None
    with (
        closing(sqlite3.connect(tree.dir / "journal.db", isolation_level=None)) as journal,
        ThreadPoolExecutor(1) as pool,
    ):
        journal.execute("BEGIN IMMEDIATE")
        other = pool.submit(tasks.add.on(tree.queue).delay, 1, 2)  # the broker cannot commit it
        until(lambda: proc.state(pid) in (None, "Z"), "the end of the worker")
        assert not other.done()
        journal.execute("ROLLBACK")
        assert other.result(30).result(timeout=30) == 3
    record = ended(tree.queue, handle.id)
    assert (record.state, record.cause) == (State.TIMED_OUT, Cause.TIMEOUT)
    assert "too busy" in stack_of(record)


def test_a_task_that_ends_at_the_last_moment_leaves_nothing_for_the_next(make_tree: MakeTree, tmp_path: Path) -> None:
    """Its stack is written just before the deadline, and must not stand in the report on a later task."""
    tree = make_tree(workers=1, max_retries=0, cpus="off", tasks=["tests.support.bad_tasks"])

    def in_time() -> bool:
        record = ended(tree.queue, bad_tasks.last_moment.options(timeout=1.2).on(tree.queue).delay("").id)
        return record.state is State.SUCCEEDED

    until(in_time, "a task that ends within its last milliseconds", 60)
    crash = bad_tasks.die.options(crash_budget=1).on(tree.queue).delay(str(tmp_path / "runs"), "segfault")
    record = ended(tree.queue, crash.id)
    assert stack_of(record).startswith("Fatal Python error: Segmentation fault")
    assert "last_moment" not in stack_of(record)


# -- stopped by somebody ---------------------------------------------------------------------------------------


def test_an_idle_worker_that_is_stopped_is_replaced(make_tree: MakeTree) -> None:
    tree = make_tree(cpus="off")
    stopped = tree.worker_pids()[0]
    os.kill(stopped, signal.SIGSTOP)
    until(lambda: stopped not in tree.worker_pids(), "the stopped worker's replacement", 20)
    tree.wait_ready()
    assert sum(tasks.add.on(tree.queue).delay(n, n).result(timeout=20) for n in range(10)) == 90


def test_a_task_given_to_a_stopped_worker_runs_in_another_at_once(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(workers=1, cpus="off")
    os.kill(tree.worker_pids()[0], signal.SIGSTOP)
    record = ended(tree.queue, tasks.note.on(tree.queue).delay(str(tmp_path / "runs")).id)
    assert record.state is State.SUCCEEDED
    assert record.attempt == 1
    assert (tmp_path / "runs").read_text() == "ran\n"


def test_a_running_task_may_be_stopped_and_go_on(shared: RunningTree, tmp_path: Path) -> None:
    path = tmp_path / "pid"
    handle = tasks.sleep.on(shared.queue).delay(2.0, str(path))
    pid = int(written(path))
    os.kill(pid, signal.SIGSTOP)
    until(lambda: any(worker["pid"] == pid and worker["stopped"] for worker in _workers(shared)), "it to be stopped")
    os.kill(pid, signal.SIGCONT)
    assert handle.result(timeout=20) == "slept"
    assert handle.record().worker == pid


def _workers(tree: RunningTree) -> list[dict[str, Any]]:
    status = until(tree.status, "a master that answers")
    workers: list[dict[str, Any]] = status["workers"]
    return workers


# -- soft limits -----------------------------------------------------------------------------------------------

SOFT: dict[str, Callable[[RunningTree], Task[Any, Any]]] = {
    "a function": lambda tree: bad_tasks.sleep_softly.on(tree.queue),
    "a coroutine": lambda tree: bad_tasks.sleep_softly_async.on(tree.queue),
}


@pytest.mark.parametrize("of", SOFT.values(), ids=SOFT)
def test_the_soft_limit_raises_in_the_task(
    shared: RunningTree, tmp_path: Path, of: Callable[[RunningTree], Task[Any, Any]]
) -> None:
    task = of(shared).options(soft_timeout=0.3, timeout=20, max_retries=1, retry_delay=0)
    record = ended(shared.queue, task.delay(str(tmp_path / "runs"), False).id)
    assert (record.state, record.cause) == (State.FAILED, Cause.SOFT_TIMEOUT)
    assert record.error is not None
    assert record.error.type == "supervisor.errors.SoftTimeoutError"
    assert "0.3 s" in record.error.message
    assert (tmp_path / "runs").read_text() == "run\n" * 2  # it counts as a failure


@pytest.mark.parametrize("of", SOFT.values(), ids=SOFT)
def test_the_soft_limit_may_be_caught(
    shared: RunningTree, tmp_path: Path, of: Callable[[RunningTree], Task[Any, Any]]
) -> None:
    task = of(shared).options(soft_timeout=0.3, timeout=20)
    assert "tidied up" in task.delay(str(tmp_path / "runs"), True).result(timeout=20)


def test_the_hard_limit_comes_for_what_ignores_the_soft_one(shared: RunningTree) -> None:
    task = tasks.never_yields.options(soft_timeout=0.3, timeout=1.2, max_retries=0)
    record = ended(shared.queue, task.on(shared.queue).delay().id)
    assert (record.state, record.cause) == (State.TIMED_OUT, Cause.TIMEOUT)
