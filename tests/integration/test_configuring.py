"""Changing settings, limits and rates while the supervisor runs: at once, across kills and restarts, and told."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor import QueueFullError, SettingsError, State, TaskOptionError
from tests.conftest import MakeTree
from tests.support import tasks
from tests.support.shared import ended, running
from tests.support.tree import RunningTree
from tests.support.waiting import until

WAIT = 60.0


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with running(tmp_path_factory.mktemp("configuring"), workers=2, max_retries=3, retry_delay=600) as found:
        yield found


def ready(tree: RunningTree, count: int) -> None:
    until(lambda: (tree.status() or {}).get("ready") == count, f"{count} workers", WAIT)


def test_the_number_of_workers_changes_at_once(tree: RunningTree) -> None:
    queue = tree.queue
    assert queue.configure(workers=4)["workers"] == 4
    ready(tree, 4)
    assert queue.configure(workers=1)["workers"] == 1
    ready(tree, 1)
    assert queue.configure(reset=["workers"])["workers"] == 2
    ready(tree, 2)
    assert tasks.add.on(queue).delay(1, 1).result(timeout=WAIT) == 2


def test_defaults_of_tasks_change_also_for_those_that_wait(tree: RunningTree, tmp_path: Path) -> None:
    queue = tree.queue
    queue.pause("held")
    waits = tasks.endless_loop.on(queue).options(queue="held").delay()
    chosen = tasks.sleep.on(queue).options(queue="held", timeout=60).delay(0.5)
    assert queue.configure(timeout="300ms", max_retries=0)["timeout"] == 0.3
    queue.resume("held")
    record = ended(queue, waits.id)
    assert (record.state, record.attempt) == (State.TIMED_OUT, 1)
    assert chosen.result(timeout=WAIT) == "slept", "what a task chooses itself stays"
    in_force = queue.configure(reset=("timeout", "max_retries"))
    assert (in_force["timeout"], in_force["max_retries"]) == (300.0, 3)


def test_the_length_of_queues_changes(tree: RunningTree) -> None:
    queue = tree.queue
    later = tasks.add.on(queue).options(queue="short", delay=600)
    first = later.delay(1, 1)
    queue.configure(queue_limits={"short": 2})
    second = later.delay(1, 1)
    with pytest.raises(QueueFullError):
        _ = later.delay(1, 1)
    queue.configure(reset=["queue_limits"])
    for handle in (first, second, later.delay(1, 1)):
        handle.cancel()


WRONG = {
    "wrokers": (3, "unknown setting 'wrokers': did you mean 'workers'?"),
    "durability": ("off", "durability cannot be changed while the supervisor runs: it is read at the start"),
    "cpus": ("off", "cpus cannot be changed while the supervisor runs: it is read when the tasks are imported"),
    "timeout": ("soon", "timeout must be a duration above 0"),
    "workers": (0, "workers must be at least 1 here; to hand nothing out, pause the queue"),
    "soft_timeout": (900, "soft_timeout = 15m (configure(...)) is above timeout = 5m (in force)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_makes_no_sense_is_told_and_changes_nothing(tree: RunningTree, name: str) -> None:
    value, sentence = WRONG[name]
    changed: dict[str, Any] = {"max_delay": 77, name: value}
    before, told = tree.queue.configure(), len(tree.queue.changes())
    with pytest.raises(SettingsError) as refused:
        tree.queue.configure(**changed)
    assert str(refused.value).startswith(sentence)
    assert tree.queue.configure() == before
    assert len(tree.queue.changes()) == told


def test_a_limit_is_changed_while_tasks_wait_at_it(tree: RunningTree, tmp_path: Path) -> None:
    queue, path = tree.queue, tmp_path / "go"
    limited = tasks.wait_for_file.on(queue).options(limit=1, limit_key="pool", timeout=60)
    handles = [limited.delay(str(path), 60.0) for _ in range(4)]
    until(lambda: queue.active_count() == 1, "one to run")
    queue.set_limit("pool", 2)
    until(lambda: queue.active_count() == 2, "two to run")
    queue.set_limit("pool", 0)
    path.touch()
    until(lambda: queue.stats().unfinished == {"queued": 2}, "no other to begin")
    queue.set_limit("pool", None)
    assert [handle.result(timeout=WAIT) for handle in handles] == ["seen"] * 4
    with pytest.raises(TaskOptionError):
        queue.set_limit("pool", -1)


def test_a_rate_is_changed_while_tasks_wait_for_it(tree: RunningTree) -> None:
    queue = tree.queue
    handles = [tasks.add.on(queue).options(rate="1/h", rate_key="calls").delay(number, 1) for number in range(4)]
    until(lambda: queue.stats().unfinished == {"queued": 3}, "three to wait for an hour")
    queue.set_rate("calls", "1000/s")
    assert [handle.result(timeout=WAIT) for handle in handles] == [1, 2, 3, 4]
    queue.set_rate("calls", None)
    with pytest.raises(TaskOptionError):
        queue.set_rate("calls", "often")


def test_who_changed_what_is_written_down(tree: RunningTree) -> None:
    queue = tree.queue
    started = time.time()
    queue.configure(max_delay="2h", workers=2)
    queue.pause("told")
    queue.pause("told")
    queue.resume("told")
    queue.set_weight("told", 3)
    asyncio.run(queue.aset_limit("told", 5))
    queue.set_rate("told", "10/s")
    asyncio.run(queue.aconfigure(reset=["max_delay", "workers"]))
    changes = [each for each in asyncio.run(queue.achanges(20)) if each.at >= started - 1]
    assert [(each.what, each.before, each.after) for each in reversed(changes)][-9:] == [
        ("max_delay", 3600.0, 7200.0),
        ("workers", 2, 2),
        ("queue:told paused", False, True),
        ("queue:told paused", True, False),
        ("queue:told weight", 1.0, 3.0),
        ("limit:told", None, 5),
        ("rate:told", None, [10, 1.0]),
        ("max_delay", 7200.0, 3600.0),
        ("workers", 2, 2),
    ]
    assert {(each.pid, each.uid) for each in changes} == {(os.getpid(), os.getuid())}
    assert len(queue.changes(2)) == 2


def test_what_was_changed_outlives_kills_and_restarts(make_tree: MakeTree) -> None:
    tree = make_tree(cpus="off", workers=1)
    queue = tree.queue
    queue.configure(workers=3, max_retries=7)
    queue.set_limit("pool", 1)
    ready(tree, 3)
    broker = queue.stats().pid
    os.kill(broker, signal.SIGKILL)
    until(lambda: queue.stats().pid != broker, "another broker", WAIT)
    assert (queue.configure()["workers"], queue.configure()["max_retries"]) == (3, 7)
    ready(tree, 3)
    os.kill(tree.pid_of("master"), signal.SIGKILL)
    tree.wait_ready(3)
    assert queue.configure()["max_retries"] == 7
    tree.stop()
    tree.start(wait=False)
    tree.wait_ready(3)
    tree.signal(signal.SIGHUP)  # the configuration says 1, and is read anew
    until(lambda: (tree.status() or {}).get("generation") == 2, "the code to be read anew", WAIT)
    assert until(lambda: (tree.status() or {}).get("wanted"), "a status") == 3
    assert [each.what for each in reversed(queue.changes())] == ["max_retries", "workers", "limit:pool"]
    assert queue.configure(reset=["workers", "max_retries"])["workers"] == 1
    ready(tree, 1)
