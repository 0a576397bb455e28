"""A disk that fills up: submits are refused with a sentence, nothing accepted is lost, and it goes on with room."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor import JournalFullError, State
from tests.conftest import MakeTree
from tests.support import bad_tasks, tasks
from tests.support.mounts import SmallDisk, small_disk
from tests.support.shared import ended, written
from tests.support.tree import RunningTree
from tests.support.waiting import until

MODULES = ["tests.support.tasks", "tests.support.bad_tasks"]
PAYLOAD = b"x" * 20_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 12) as found:
        yield found


def make(make_tree: MakeTree, disk: SmallDisk, **settings: object) -> RunningTree:
    tree = make_tree(tasks=MODULES, cpus="off", dir=str(disk.path / "sv"), disk_reserve="4M", start=False, **settings)
    tree.dir = disk.path / "sv"
    tree.queue.use(tree.dir)
    return tree.start()


def submit_until_refused(tree: RunningTree, runs: Path) -> tuple[list[str], JournalFullError]:
    """The ids of what was accepted, and why no more was."""
    accepted: list[str] = []
    while True:
        try:
            accepted.append(tree.queue.submit(bad_tasks.note_number, str(runs), len(accepted), PAYLOAD))
        except JournalFullError as error:
            return accepted, error


def check(tree: RunningTree, accepted: list[str], runs: Path) -> None:
    """Each has succeeded, in one run."""
    assert Counter(ended(tree.queue, task_id).state for task_id in accepted) == {State.SUCCEEDED: len(accepted)}
    ran = Counter(int(line.split()[0]) for line in runs.read_text().splitlines())
    assert ran == Counter(range(len(accepted)))


def test_submits_are_refused_while_there_is_room_for_what_was_accepted(
    disk: SmallDisk, make_tree: MakeTree, tmp_path: Path
) -> None:
    tree = make(make_tree, disk)
    accepted, error = submit_until_refused(tree, tmp_path / "runs")
    assert "disk_reserve keeps 4.0 MiB for what is queued), so nothing was accepted; make room" in str(error)
    assert len(accepted) > 50  # of 8 MiB, with each payload written up to three times before it is folded in
    check(tree, accepted, tmp_path / "runs")
    disk.resize(40)
    assert tasks.add.on(tree.queue).delay(1, 2).result(timeout=20) == 3


def test_a_disk_that_others_fill_keeps_the_queue_waiting_and_loses_nothing(
    disk: SmallDisk, make_tree: MakeTree, tmp_path: Path
) -> None:
    tree = make(make_tree, disk, workers=1)
    broker, go = tree.pid_of("broker"), tmp_path / "go"
    held = bad_tasks.note_and_wait.on(tree.queue).delay(str(tmp_path / "held"), str(go))
    written(tmp_path / "held")
    accepted = [tree.queue.submit(bad_tasks.note_number, str(tmp_path / "runs"), number) for number in range(200)]
    disk.fill()
    go.touch()  # not before, or all may have ended while there was room
    until(lambda: "the queue stands still, and nothing is lost" in tree.log.read_text(), "a full disk", 20)
    with pytest.raises(JournalFullError, match="so nothing was accepted; make room and submit again"):
        tree.queue.submit(bad_tasks.note_number, str(tmp_path / "runs"), 1000)
    looked = time.monotonic() + 4.0
    until(lambda: time.monotonic() > looked, "a while in which it has to wait")
    assert tree.pid_of("broker") == broker
    disk.empty()
    check(tree, accepted, tmp_path / "runs")
    assert held.state() is State.SUCCEEDED
    assert tree.pid_of("broker") == broker
    assert tasks.add.on(tree.queue).delay(1, 2).result(timeout=20) == 3


def test_arguments_that_do_not_fit_on_the_disk_are_refused(disk: SmallDisk, make_tree: MakeTree) -> None:
    tree = make(make_tree, disk)
    with pytest.raises(JournalFullError, match="No space left on device"):
        tree.queue.submit(len, bytes(30 << 20))
    assert list((disk.path / "sv" / "payloads").iterdir()) == []
    assert tree.queue.wait(tree.queue.submit(len, bytes(1 << 20)), timeout=20).result == 1 << 20
