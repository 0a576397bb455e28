"""Draining the queue: nothing is taken in or begun, what runs may end, the rest is put back; whatever is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor import QueueClosedError, QueueDrainingError, State
from tests.conftest import MakeTree
from tests.support import tasks
from tests.support.shared import running, written
from tests.support.tree import RunningTree
from tests.support.waiting import until

WAIT = 60.0


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with running(tmp_path_factory.mktemp("draining")) as found:
        yield found


@pytest.fixture
def tree(shared: RunningTree) -> Iterator[RunningTree]:
    yield shared
    shared.queue.open()


class Drained(threading.Thread):
    """A drain in the background."""

    def __init__(self, tree: RunningTree, timeout: float) -> None:
        super().__init__()
        self._tree = tree
        self._timeout = timeout
        self.stopped: list[str] | None = None
        self.start()
        until(lambda: not tree.queue.is_accepting(), "the queue to be closed")

    def run(self) -> None:
        self.stopped = self._tree.queue.drain(self._timeout)

    def ended(self) -> list[str]:
        self.join(WAIT)
        assert self.stopped is not None
        return self.stopped


def test_nothing_is_taken_in_or_begun_and_what_runs_may_end(tree: RunningTree, tmp_path: Path) -> None:
    queue, path = tree.queue, tmp_path / "go"
    handles = tasks.wait_for_file.on(queue).map([(str(path), 60.0)] * 2)
    until(lambda: queue.active_count() == 2, "both to run")
    waits = tasks.add.on(queue).delay(1, 2)
    drained = Drained(tree, 60.0)
    for refused in (
        lambda: tasks.add.on(queue).delay(1, 1),
        lambda: tasks.add.on(queue).map([(1, 1)]),
        lambda: queue.enqueue("tests.support.tasks.add", {"left": 1, "right": 1}),
    ):
        with pytest.raises(QueueDrainingError) as error:
            refused()
        assert isinstance(error.value, QueueClosedError)
    assert not queue.is_shutting_down()
    path.touch()
    assert [handle.result(timeout=WAIT) for handle in handles] == ["seen"] * 2
    assert drained.ended() == []
    assert waits.state() is State.QUEUED
    assert not queue.stats().accepting
    queue.open()
    assert queue.is_accepting()
    assert waits.result(timeout=WAIT) == 3
    assert tasks.add.on(queue).delay(2, 2).result(timeout=WAIT) == 4


def test_what_has_not_ended_in_time_is_put_back_uncounted(tree: RunningTree, tmp_path: Path) -> None:
    queue, paths = tree.queue, [tmp_path / "one", tmp_path / "two"]
    handles = [tasks.sleep.on(queue).options(max_retries=0, crash_budget=1).delay(600, str(path)) for path in paths]
    for path in paths:
        written(path)
    assert sorted(queue.drain(0.2)) == sorted(handle.id for handle in handles)
    assert [handle.state() for handle in handles] == [State.QUEUED] * 2
    assert queue.drain(0.0) == [], "nothing runs"
    for path in paths:
        path.unlink()
    queue.open()
    for path in paths:
        written(path)
    assert {handle.record().attempt for handle in handles} == {1}
    for handle in handles:
        handle.cancel()
    until(lambda: not queue.stats().unfinished, "their end")


def test_that_it_is_shutting_down_can_be_read(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(cpus="off", workers=1)
    path = tmp_path / "go"
    handle = tasks.wait_for_file.on(tree.queue).delay(str(path), 60.0)
    until(lambda: tree.queue.active_count() == 1, "it to run")
    assert not tree.queue.is_shutting_down()
    tree.signal(signal.SIGTERM)
    until(tree.queue.is_shutting_down, "it to stop")
    assert tree.queue.is_accepting(), "what is submitted now waits for the next start"
    later = tasks.add.on(tree.queue).delay(1, 1)
    path.touch()
    assert handle.result(timeout=WAIT) == "seen"
    assert tree.stop() == 0
    tree.start()
    assert later.result(timeout=WAIT) == 2


def test_asyncio_has_it_too(tree: RunningTree) -> None:
    async def drained() -> tuple[list[str], bool, bool]:
        stopped = await tree.queue.adrain(1.0)
        before = await tree.queue.ais_accepting()
        await tree.queue.aopen()
        return stopped, before, await tree.queue.ais_accepting()

    assert asyncio.run(drained()) == ([], False, True)


def test_it_stays_drained_whatever_is_killed_and_until_it_is_opened(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(cpus="off")
    queue, path = tree.queue, tmp_path / "go"
    runs = tasks.wait_for_file.on(queue).delay(str(path), 60.0)
    hangs = tasks.sleep.on(queue).delay(600, str(tmp_path / "pid"))
    until(lambda: queue.active_count() == 2, "both to run")
    waits = tasks.add.on(queue).delay(1, 2)
    drained = Drained(tree, 2.0)
    broker = queue.stats().pid
    os.kill(broker, signal.SIGKILL)
    until(lambda: queue.stats().pid != broker, "another broker", WAIT)
    with pytest.raises(QueueDrainingError):
        _ = tasks.add.on(queue).delay(1, 1)
    path.touch()
    assert runs.result(timeout=WAIT) == "seen", "what runs goes on"
    assert drained.ended() == [hangs.id]
    os.kill(tree.pid_of("master"), signal.SIGKILL)
    tree.wait_ready()
    assert not queue.is_accepting()
    tree.stop()
    tree.start()
    assert (queue.is_accepting(), queue.active_count()) == (False, 0)
    assert (waits.state(), hangs.state()) == (State.QUEUED, State.QUEUED)
    queue.open()
    assert waits.result(timeout=WAIT) == 3
    hangs.cancel()
