"""Tasks that wait for tasks: a worker more for each that does, so none waits for ever; and fewer afterwards."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor import Cause, State, TaskFailedError
from supervisor.system import proc
from tests.conftest import MakeTree
from tests.support import nested_tasks, tasks
from tests.support.shared import ended, running
from tests.support.tree import RunningTree
from tests.support.waiting import until

MODULES = ["tests.support.tasks", "tests.support.nested_tasks"]
WAIT = 60.0


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with running(tmp_path_factory.mktemp("waiting"), tasks=MODULES, workers=1, worker_idle_timeout=0.5) as found:
        yield found


def settled(tree: RunningTree, count: int = 1) -> None:
    """Wait until there are as many workers as ever."""

    def found() -> bool:
        status = tree.status()
        return status is not None and [worker["stage"] for worker in status["workers"]] == ["ready"] * count

    until(found, f"{count} worker(s)", 30.0)


def test_with_one_worker_tasks_wait_for_tasks_ten_deep_and_afterwards_there_is_one(tree: RunningTree) -> None:
    assert nested_tasks.descend.on(tree.queue).delay(10).result(timeout=WAIT) == 10
    assert nested_tasks.descend_async.on(tree.queue).delay(10).result(timeout=WAIT) == 10
    settled(tree)
    status = tree.status()
    assert status is not None
    assert status["deaths"] == {}


def test_many_that_wait_do_not_take_all_workers_before_what_they_wait_for_runs(tree: RunningTree) -> None:
    """There are more of them than may ever wait at once, all before what they wait for."""
    handles = nested_tasks.ask.on(tree.queue).map([(number,) for number in range(150)])
    assert [handle.result(timeout=WAIT) for handle in handles] == list(range(150))
    settled(tree)


def test_a_task_may_wait_for_a_group_and_read_a_stream(tree: RunningTree) -> None:
    assert nested_tasks.ask_many.on(tree.queue).delay(10).result(timeout=WAIT) == 45
    assert nested_tasks.add_up.on(tree.queue).delay(100).result(timeout=WAIT) == 4950
    settled(tree)


def test_a_task_that_waits_is_killed_at_its_limit(tree: RunningTree) -> None:
    queue = tree.queue
    never = tasks.add.on(queue).options(delay=3600).delay(1, 1)
    waits = nested_tasks.wait_for_ever.on(queue).delay(never.id)
    until(lambda: any(worker.waiting for worker in queue.workers()), "it to say that it waits", 10.0)
    assert ended(queue, waits.id).state is State.TIMED_OUT
    until(lambda: not any(worker.waiting for worker in queue.workers()), "nobody to wait any more", 10.0)
    dead = until(lambda: next((each for each in queue.workers() if each.last_death), None), "its successor", 10.0)
    assert dead.last_death is Cause.TIMEOUT
    assert dead.last_death_at == pytest.approx(time.time(), abs=30)
    never.cancel()
    settled(tree)


def test_a_worker_that_is_killed_as_it_waits_waits_no_more(tree: RunningTree) -> None:
    queue = tree.queue
    never = tasks.add.on(queue).options(delay=3600).delay(1, 1)
    waits = nested_tasks.wait_for_ever.on(queue).options(timeout=30).delay(never.id)
    pid = until(lambda: next((worker.pid for worker in queue.workers() if worker.waiting), 0), "it to wait", 10.0)
    os.kill(pid, signal.SIGKILL)
    until(lambda: proc.state(pid) in (None, "Z"), "its end")
    until(lambda: next((worker.pid for worker in queue.workers() if worker.waiting), pid) != pid, "another to wait")
    assert tasks.add.on(queue).delay(2, 3).result(timeout=WAIT) == 5, "there is a worker for others"
    waits.cancel()
    never.cancel()
    ended(queue, waits.id)
    settled(tree)


def test_more_than_may_wait_are_refused_with_a_sentence(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(tasks=MODULES, cpus="off", workers=1, max_waiting=3, worker_idle_timeout=0.5)
    with pytest.raises(TaskFailedError) as failed:
        nested_tasks.descend.on(tree.queue).delay(10).result(timeout=WAIT)
    assert "3 tasks wait for other tasks already" in str(failed.value)
    settled(tree)
    assert nested_tasks.descend.on(tree.queue).delay(3).result(timeout=WAIT) == 3
    assert tree.queue.configure(max_waiting=10)["max_waiting"] == 10
    assert nested_tasks.descend.on(tree.queue).delay(10).result(timeout=WAIT) == 10


def test_a_soft_limit_in_the_middle_of_a_call_leaves_no_answer_to_the_next_one(tree: RunningTree) -> None:
    later = nested_tasks.answer.on(tree.queue).options(delay=3600).delay(1)
    submitted = nested_tasks.go_on_after_the_soft_limit.on(tree.queue).delay(later.id).result(timeout=WAIT)
    assert tree.queue.wait(submitted, timeout=WAIT).result == 1
    assert later.state() is State.CANCELLED


def test_a_soft_limit_while_submit_many_packs_ahead_is_raised_at_once(tree: RunningTree) -> None:
    handle = nested_tasks.submit_slowly.on(tree.queue).delay()
    assert handle.result(timeout=WAIT) == 1500
