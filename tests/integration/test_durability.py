"""What an acknowledged submit survives, level by level: the kill of every process at once, and what is gone then."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sqlite3
import threading

import pytest

from supervisor import QueueUnavailableError, State, SupervisorError, TaskQueue
from supervisor.directory import Directory
from tests.conftest import MakeTree
from tests.support import tasks
from tests.support.tree import RunningTree
from tests.support.waiting import until

WAIT = 60.0
KEPT = ["full", "normal"]


@pytest.fixture
def make_tree(make_tree: MakeTree) -> MakeTree:
    """Trees whose workers are of ordinary niceness, so that a busy machine does not starve them."""
    return functools.partial(make_tree, cpus="off")


def everybody(tree: RunningTree) -> list[int]:
    """Every process of the tree, the guardian first, so that nobody sees another die."""
    assert tree.process is not None
    tree.remember()
    roles = [tree.pid_of(role) for role in ("guardian", "master", "broker", "template")]
    return [*roles, *tree.worker_pids(), tree.process.pid]


def kill(tree: RunningTree, pids: list[int]) -> None:
    """All at once, and see that they are gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert tree.process is not None
    tree.process.wait(10.0)
    until(lambda: not tree.left_over(), "the end of everybody", 30.0)
    tree.queue.close()


@pytest.mark.parametrize("durability", KEPT)
def test_an_acknowledged_task_survives_the_kill_of_everything(make_tree: MakeTree, durability: str) -> None:
    tree = make_tree(durability=durability, workers=1)
    ran = tree.folder / "ran"
    pids = everybody(tree)
    hold = tree.queue.submit(tasks.sleep.options(max_retries=0), 600)
    ids = [tree.queue.submit(tasks.note, str(ran), f"{number}\n") for number in range(10)]
    ids += tree.queue.submit_many(tasks.note, [(str(ran), f"{number}\n") for number in range(10, 30)])
    large = tree.queue.submit(tasks.length, b"x" * 500_000)
    kill(tree, pids)  # the moment after the last answer
    tree.start()
    assert tree.queue.cancel(hold) is True
    for task_id in ids:
        assert tree.queue.wait(task_id, timeout=WAIT).state is State.SUCCEEDED
    assert tree.queue.wait(large, timeout=WAIT).result == 500_000
    assert sorted(map(int, ran.read_text().split())) == list(range(30))


@pytest.mark.parametrize("durability", KEPT)
def test_a_kill_under_a_stream_of_submits_loses_none_that_was_acknowledged(
    make_tree: MakeTree, durability: str
) -> None:
    tree = make_tree(durability=durability, workers=1, abort_budget=100)
    accepted: list[str] = []
    stop = threading.Event()

    def stream(before: int) -> bool:
        return len(accepted) > before + 50

    def submit() -> None:
        queue = TaskQueue(tree.dir, timeout=0.5)
        while not stop.is_set():
            with contextlib.suppress(SupervisorError):
                accepted.append(queue.submit(tasks.noop))
        queue.close()

    for _ in range(3):
        pids = everybody(tree)
        submitting = [threading.Thread(target=submit) for _ in range(4)]
        before = len(accepted)
        for thread in submitting:
            thread.start()
        until(functools.partial(stream, before), "a stream of submits", 30.0)
        kill(tree, pids)
        stop.set()
        for thread in submitting:
            thread.join(20.0)
        stop.clear()
        tree.start()
    for task_id in accepted:
        assert tree.queue.wait(task_id, timeout=WAIT).state is State.SUCCEEDED


@pytest.mark.parametrize("durability", KEPT)
def test_results_and_ends_survive(make_tree: MakeTree, durability: str) -> None:
    tree = make_tree(durability=durability, workers=1)
    done = tree.queue.submit(tasks.told)
    before = tree.queue.wait(done, timeout=WAIT)
    kill(tree, everybody(tree))
    tree.start()
    assert tree.queue.get_result(done) == before


def test_every_kill_leaves_a_sound_journal(make_tree: MakeTree) -> None:
    tree = make_tree(workers=2, abort_budget=100)
    for _ in range(4):
        tree.queue.submit_many(tasks.add, [(number, 1) for number in range(500)])
        kill(tree, everybody(tree))
        with contextlib.closing(sqlite3.connect(Directory(tree.dir).journal)) as journal:
            assert journal.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        tree.start()
    until(lambda: not tree.queue.stats().unfinished, "the queue to drain", WAIT)


# -- off ---------------------------------------------------------------------------------------------------------


def test_off_works_and_keeps_nothing_on_disk(make_tree: MakeTree) -> None:
    tree = make_tree(durability="off")
    assert tree.queue.stats().durability == "off"
    assert tree.queue.wait(tree.queue.submit(tasks.add, 1, 2), timeout=WAIT).result == 3
    told = tree.queue.wait(tree.queue.submit(tasks.told), timeout=WAIT)
    assert "to stdout" in told.output
    failed = tree.queue.wait(tree.queue.submit(tasks.fail.options(max_retries=1, retry_delay=0)), timeout=WAIT)
    assert (failed.state, failed.attempt) == (State.FAILED, 2)
    ids = tree.queue.submit_many(tasks.add, [(number, 1) for number in range(3000)])
    assert tree.queue.wait(ids[-1], timeout=WAIT).result == 3000
    assert tree.queue.wait(tree.queue.submit(tasks.big, 1 << 20), timeout=WAIT).result == b"x" * (1 << 20)
    os.kill(tree.worker_pids()[0], signal.SIGKILL)
    assert tree.queue.wait(tree.queue.submit(tasks.add, 3, 4), timeout=WAIT).result == 7
    assert not list(tree.dir.glob("journal*"))
    assert tree.stop() == 0


def test_off_is_gone_with_the_broker_and_serves_again(make_tree: MakeTree) -> None:
    tree = make_tree(durability="off")
    done = tree.queue.submit(tasks.add, 1, 2)
    assert tree.queue.wait(done, timeout=WAIT).result == 3
    delayed = tree.queue.submit(tasks.noop.options(delay="1h"))
    running = tree.folder / "running"
    hold = tree.queue.submit(tasks.sleep, 600, str(running))
    until(running.exists, "the task to start", 30.0)
    before = tree.pid_of("broker")
    os.kill(before, signal.SIGKILL)
    until(lambda: tree.pid_of("broker") not in (0, before), "a new broker", 30.0)
    assert tree.queue.get_result(done) is None
    assert tree.queue.get_result(delayed) is None
    assert tree.queue.get_task(hold) is None
    assert tree.queue.wait(tree.queue.submit(tasks.add, 3, 4), timeout=WAIT).result == 7


def test_off_is_gone_with_a_restart(make_tree: MakeTree) -> None:
    tree = make_tree(durability="off")
    delayed = tree.queue.submit(tasks.noop.options(delay="1h"))
    tree.stop()
    tree.start()
    assert tree.queue.get_task(delayed) is None
    assert tree.queue.stats().unfinished == {}


def test_a_worker_whose_task_the_broker_forgot_is_used_again(make_tree: MakeTree) -> None:
    tree = make_tree(durability="off", workers=1)
    gate, started = tree.folder / "gate", tree.folder / "started"

    def note_and_wait(started: str, gate: str) -> None:
        tasks.note(started)
        tasks.wait_for_file(gate, 60.0)

    tree.queue.submit(note_and_wait, str(started), str(gate))
    until(started.exists, "the task to start", 30.0)
    os.kill(tree.pid_of("broker"), signal.SIGKILL)
    task_id = tree.queue.submit(tasks.add, 1, 2)
    gate.touch()
    assert tree.queue.wait(task_id, timeout=WAIT).result == 3


# -- between levels, and disks -----------------------------------------------------------------------------------


def test_the_level_can_be_changed_between_starts(make_tree: MakeTree) -> None:
    tree = make_tree(durability="full", workers=1)
    task_id = tree.queue.submit(tasks.add.options(delay="3s"), 1, 2)
    tree.stop()
    for level in ("normal", "full"):
        tree.settings["durability"] = level
        tree.start()
        assert tree.queue.stats().durability == level
        if level == "normal":
            tree.stop()
    assert tree.queue.wait(task_id, timeout=WAIT).result == 3


def test_a_journal_that_cannot_be_opened_refuses_and_is_not_overwritten(make_tree: MakeTree) -> None:
    tree = make_tree(workers=1)
    tree.stop()
    journal = Directory(tree.dir).journal
    spoilt = b"this is no database, but somebody's precious text" * 100
    journal.write_bytes(spoilt)
    tree.start(wait=False)
    until(lambda: "the journal" in tree.tail() and str(journal) in tree.tail(), "a sentence in the log", 30.0)
    queue = TaskQueue(tree.dir, timeout=0.5)
    with pytest.raises(QueueUnavailableError):
        queue.submit(tasks.noop)
    assert journal.read_bytes() == spoilt
    journal.unlink()
    until(lambda: _serves(queue), "service without it", 60.0)
    assert queue.wait(queue.submit(tasks.add, 1, 2), timeout=WAIT).result == 3


def _serves(queue: TaskQueue) -> bool:
    try:
        queue.stats()
    except SupervisorError:
        return False
    return True
