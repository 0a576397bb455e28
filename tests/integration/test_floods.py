"""Floods: afterwards the broker has the memory, the descriptors and the threads that it had, and answers meanwhile.

What a process took once it may keep for the next time. So each flood comes twice, and the second adds nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from supervisor import State, TaskConfig
from supervisor.directory import Directory
from supervisor.system import proc
from supervisor.wire.connection import connect
from tests.support import flood_tasks
from tests.support.shared import ended, running
from tests.support.tree import RunningTree
from tests.support.waiting import until

ROUNDS = int(os.environ.get("FLOOD_ROUNDS", "20"))
"""How often 200 clients come and leave; 100 by hand."""
QUEUED = int(os.environ.get("FLOOD_QUEUED", "50000"))
"""How many tasks wait at once; 1,000,000 by hand."""
CLIENTS = 200
MB = 1_000_000
_PLAY = 2 << 20
_ANSWER = 5.0
"""Seconds in which a submit is answered, whatever is going on."""


@dataclass(frozen=True, slots=True)
class Levels:
    """What the broker and the master have."""

    memory: int
    descriptors: int
    threads: int

    @classmethod
    def of(cls, tree: RunningTree) -> Levels:
        pids = [tree.pid_of("broker"), tree.pid_of("master")]
        return cls(
            sum(map(proc.resident_bytes, pids)),
            sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids),
            sum(len(os.listdir(f"/proc/{pid}/task")) for pid in pids),
        )


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    folder = tmp_path_factory.mktemp("floods")
    with running(folder, tasks=["tests.support.flood_tasks"], log_level="error", queue_limit=2_000_000) as found:
        yield found


def answers(tree: RunningTree) -> None:
    """Somebody else submits, and is answered."""
    began = time.monotonic()
    assert tree.queue.submit(flood_tasks.idle)
    assert time.monotonic() - began < _ANSWER


def come_twice(tree: RunningTree, flood: Callable[[], None], before: int = 1) -> None:
    """The flood, so often as it takes to fill what is kept (the journal's cache is 32 MiB), and once more, which adds
    nothing.
    """
    first = Levels.of(tree)
    for _ in range(before):
        flood()
        answers(tree)
    full = Levels.of(tree)
    flood()
    answers(tree)

    def back() -> bool:
        now = Levels.of(tree)
        return (
            now.memory <= full.memory * 1.02 + _PLAY
            and now.descriptors <= first.descriptors + 2  # connections that callers keep
            and now.threads <= first.threads
        )

    until(back, f"levels such as {full}, {first} at first, and not {Levels.of(tree)}", 20.0)


@pytest.mark.timeout(120)
def test_a_hundred_megabytes_of_output(tree: RunningTree) -> None:
    def flood() -> None:
        task_id = tree.queue.submit(flood_tasks.shout, 100 * MB)
        until(lambda: tree.queue.state(task_id) is State.RUNNING, "its start")
        answers(tree)
        record = ended(tree.queue, task_id, 60.0)
        assert record.result == 100 * MB
        assert len(record.output) < 2 * MB

    come_twice(tree, flood)


@pytest.mark.timeout(120)
def test_arguments_and_results_of_fifty_megabytes(tree: RunningTree) -> None:
    data = os.urandom(1000) * 50_000

    def flood() -> None:
        handle = flood_tasks.echo.on(tree.queue).delay(data)
        answers(tree)
        assert handle.result(timeout=60) == data

    come_twice(tree, flood)


@pytest.mark.timeout(120)
def test_a_storm_of_forks(tree: RunningTree) -> None:
    def flood() -> None:
        task_id = tree.queue.submit(flood_tasks.storm, 9, config=TaskConfig(timeout=10.0, max_retries=0))
        until(lambda: _family(tree) > 500, "many processes", 20.0)
        answers(tree)
        tree.queue.cancel(task_id)
        assert ended(tree.queue, task_id, 60.0).state is State.CANCELLED
        until(lambda: _family(tree) < 10, "the end of all of them", 30.0)

    come_twice(tree, flood)


def _family(tree: RunningTree) -> int:
    return sum(1 for _ in proc.descendants(tree.pid_of("master")))


@pytest.mark.timeout(60 + 4 * ROUNDS)
def test_clients_that_come_and_leave(tree: RunningTree) -> None:
    directory = Directory(tree.dir)
    key = directory.read_key()

    def flood() -> None:
        for _ in range(ROUNDS // 2):
            with ThreadPoolExecutor(8) as pool:
                connections = list(pool.map(lambda _: connect(directory.socket, key, 30.0), range(CLIENTS)))
            answers(tree)
            for connection in connections:
                connection.close()

    come_twice(tree, flood)


@pytest.mark.timeout(60 + QUEUED / 500)
def test_a_deep_queue_that_is_cleared(tree: RunningTree) -> None:
    later = TaskConfig(delay=3600)

    def flood() -> None:
        tree.queue.submit_many(flood_tasks.idle, [()] * QUEUED, config=later)
        answers(tree)
        assert tree.queue.clear() >= QUEUED
        answers(tree)

    come_twice(tree, flood, before=4)
