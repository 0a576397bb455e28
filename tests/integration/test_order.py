"""Order and pace through the whole system, with kills and restarts in the middle."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from supervisor import QueueFullError, State, TaskConfig, TaskExpiredError, TaskQueue
from supervisor.config import TaskOptions
from tests.conftest import MakeTree
from tests.support import tasks
from tests.support.shared import ended, written
from tests.support.tree import RunningTree
from tests.support.waiting import until

WAIT = 60.0


def lines(path: Path) -> list[str]:
    """What tasks have noted so far."""
    return path.read_text().splitlines() if path.exists() else []


def held_up(queue: TaskQueue, flag: Path, workers: int = 1) -> list[str]:
    """Keep every worker busy until ``flag`` is there; the ids of the tasks that do."""
    ids = [queue.submit(tasks.wait_for_file, str(flag), 120.0) for _ in range(workers)]
    until(lambda: queue.stats().unfinished.get("running") == workers, "busy workers", WAIT)
    return ids


def note(to: TaskQueue, path: Path, text: str, /, **options: Any) -> str:
    """Submit a task that notes when it ran."""
    return to.submit(tasks.note, str(path), f"{text}\n", config=TaskConfig(**options))


def kill_running(queue: TaskQueue, task_id: str) -> None:
    """SIGKILL the worker that runs this task."""

    def pid() -> int:
        return next((run.worker for worker in queue.workers() for run in worker.tasks if run.id == task_id), 0)

    os.kill(until(pid, "a worker that runs it", WAIT), signal.SIGKILL)


def gone(queue: TaskQueue, pid: int) -> bool:
    """Whether no worker has this pid any more."""
    return pid not in [worker.pid for worker in queue.workers()]


def restart_broker(tree: RunningTree) -> None:
    """SIGKILL the broker, and wait for another."""
    old = tree.pid_of("broker")
    os.kill(old, signal.SIGKILL)
    until(lambda: tree.pid_of("broker") not in (0, old), "another broker", WAIT)


def restart_tree(tree: RunningTree) -> None:
    """Stop the whole of it, and start it again."""
    tree.stop()
    tree.start()


RESTARTS = pytest.mark.parametrize("restart", [restart_broker, restart_tree], ids=["broker-killed", "stopped"])
Restart = Callable[[RunningTree], None]


# -- order -------------------------------------------------------------------------------------------------------


def test_by_priority_then_arrival_and_a_changed_priority_counts(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(workers=1, ageing="none")
    queue, flag, path = tree.queue, tmp_path / "flag", tmp_path / "order"
    held_up(queue, flag)
    ids = {
        name: note(queue, path, name, priority=priority)
        for name, priority in [("low", "low"), ("a", 0), ("b", 0), ("high", "high"), ("critical", 20), ("moved", -5)]
    }
    assert queue.set_priority(ids["moved"], 15)
    restart_broker(tree)
    flag.touch()
    for task_id in ids.values():
        queue.wait(task_id, WAIT)
    assert lines(path) == ["critical", "moved", "high", "a", "b", "low"]
    assert queue.set_priority(ids["low"], 1) is False, "it is over"


def test_what_waits_long_enough_goes_before_what_is_newer(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(workers=1, ageing="10ms")
    queue, flag, path = tree.queue, tmp_path / "flag", tmp_path / "order"
    held_up(queue, flag)
    old = note(queue, path, "old and low", priority="low")
    created = queue.get_task(old)
    assert created is not None
    until(lambda: time.time() > created.created_at + 1.0, "a second, in which it has aged to high", WAIT)
    ids = [note(queue, path, name, priority=priority) for name, priority in [("new and high", 10), ("critical", 20)]]
    flag.touch()
    for task_id in (old, *ids):
        queue.wait(task_id, WAIT)
    assert lines(path) == ["critical", "old and low", "new and high"]


@RESTARTS
def test_paused_queues_and_weights_outlive_a_restart(make_tree: MakeTree, tmp_path: Path, restart: Restart) -> None:
    tree = make_tree(workers=1)
    queue, flag, path = tree.queue, tmp_path / "flag", tmp_path / "order"
    queue.pause("mails")
    queue.pause("reports")
    queue.set_weight("mails", 3)
    ids = [note(queue, path, name, queue=name) for name in ("mails", "reports") for _ in range(8)]
    restart(tree)
    found = {each["name"]: each for each in queue.queues()}
    assert (found["mails"]["paused"], found["mails"]["weight"], found["mails"]["ready"]) == (True, 3.0, 8)
    queue.wait(queue.submit(tasks.noop), WAIT)
    assert lines(path) == [], "others go on, these do not"
    held_up(queue, flag)
    queue.resume("mails")
    queue.resume("reports")
    flag.touch()
    for task_id in ids:
        queue.wait(task_id, WAIT)
    assert sorted(lines(path)) == ["mails"] * 8 + ["reports"] * 8
    assert lines(path)[:8].count("mails") in (5, 6, 7), "three turns to one"


def test_a_short_task_never_waits_behind_a_long_one_while_another_worker_is_idle(
    make_tree: MakeTree, tmp_path: Path
) -> None:
    tree = make_tree(workers=2)
    queue, flag = tree.queue, tmp_path / "flag"
    for task_id in queue.submit_many(tasks.noop, [()] * 200):
        queue.wait(task_id, WAIT)  # known to be short by now, so that it comes in batches
    (long,) = held_up(queue, flag)
    ids = queue.submit_many(tasks.noop, [()] * 100)
    for task_id in ids:
        assert queue.wait(task_id, WAIT).state is State.SUCCEEDED
    assert queue.state(long) is State.RUNNING, "all of them ran beside it"
    flag.touch()
    queue.wait(long, WAIT)


def test_what_was_handed_out_behind_a_task_that_is_long_after_all_is_given_to_another(
    make_tree: MakeTree, tmp_path: Path
) -> None:
    """Both are of one name, whose tasks were short so far."""
    tree = make_tree(workers=2)
    queue, flag, there = tree.queue, tmp_path / "flag", tmp_path / "there"
    there.touch()
    for task_id in queue.submit_many(tasks.wait_for_file, [(str(there),)] * 200):
        queue.wait(task_id, WAIT)
    mixed = [(str(there),)] * 10 + [(str(flag), 120.0)] + [(str(there),)] * 50
    ids = queue.submit_many(tasks.wait_for_file, mixed)
    for number, task_id in enumerate(ids):
        if number != 10:
            queue.wait(task_id, WAIT)
    assert queue.state(ids[10]) is State.RUNNING
    flag.touch()
    queue.wait(ids[10], WAIT)


# -- limits ------------------------------------------------------------------------------------------------------


def test_the_slot_of_a_holder_that_is_killed_is_free_at_once(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(workers=2)
    queue, path = tree.queue, tmp_path / "order"
    holder = queue.submit(
        tasks.sleep, 600, str(tmp_path / "pid"), config=TaskConfig(limit=1, limit_key="k", crash_budget=1)
    )
    written(tmp_path / "pid")
    second = note(queue, path, "second", limit=1, limit_key="k")
    queue.wait(note(queue, path, "other"), WAIT)
    assert queue.state(second) is State.QUEUED, "a worker is idle, and it waits all the same"
    kill_running(queue, holder)
    queue.wait(second, WAIT)
    assert lines(path) == ["other", "second"]
    assert ended(queue, holder).state is State.LOST


@RESTARTS
def test_a_limit_holds_across_a_restart(make_tree: MakeTree, tmp_path: Path, restart: Restart) -> None:
    tree = make_tree(workers=2, grace="100ms")
    queue, path = tree.queue, tmp_path / "order"
    limited: TaskOptions = {"limit": 1, "limit_key": "k"}
    holder = queue.submit(tasks.sleep, 600, str(tmp_path / "pid"), config=TaskConfig(**limited))
    written(tmp_path / "pid")
    second = note(queue, path, "second", **limited)
    restart(tree)
    until(lambda: queue.state(holder) is State.RUNNING, "the holder, kept or again", WAIT)
    queue.wait(note(queue, path, "other"), WAIT)
    assert queue.state(second) is State.QUEUED
    queue.cancel(holder)
    queue.wait(second, WAIT)
    assert lines(path) == ["other", "second"]


def test_no_more_than_the_limit_run_at_once_whatever_is_killed(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(workers=3)
    queue = tree.queue
    config = TaskConfig(limit=2, limit_key="k", crash_budget=100)
    ids = queue.submit_many(tasks.sleep, [(0.05,)] * 60, config=config)
    kills = 0
    while queue.stats().unfinished:
        running = [(worker.pid, run.id) for worker in queue.workers() for run in worker.tasks]
        assert len(running) <= 2
        if running and kills < 8:
            kills += 1
            os.kill(running[0][0], signal.SIGKILL)
            until(partial(gone, queue, running[0][0]), "its end", WAIT)
    assert kills == 8
    assert {queue.state(task_id) for task_id in ids} == {State.SUCCEEDED}


# -- rates -------------------------------------------------------------------------------------------------------


@RESTARTS
def test_a_rate_is_kept_across_kills_and_restarts(make_tree: MakeTree, tmp_path: Path, restart: Restart) -> None:
    """The token of a task that was killed is spent: it did start."""
    tree = make_tree(workers=2)
    queue = tree.queue
    rate: TaskOptions = {"rate": "2/20s", "rate_key": "k"}
    killed = queue.submit(tasks.sleep, 600, str(tmp_path / "pid"), config=TaskConfig.of({**rate, "crash_budget": 1}))
    written(tmp_path / "pid")
    second = queue.submit(tasks.noop, config=TaskConfig(**rate))
    queue.wait(second, WAIT)
    third = queue.submit(tasks.noop, config=TaskConfig(**rate))
    kill_running(queue, killed)
    assert ended(queue, killed).state is State.LOST
    restart(tree)
    queue.wait(queue.submit(tasks.noop), WAIT)
    assert queue.state(third) is State.QUEUED
    record, first = queue.wait(third, WAIT), queue.get_task(killed)
    assert first is not None
    assert first.started_at is not None
    assert record.started_at is not None
    assert record.started_at - first.started_at >= 19.99
    assert record.started_at - first.started_at < 40, "and not much later"


def test_every_window_is_exact(make_tree: MakeTree) -> None:
    tree = make_tree(workers=2)
    queue = tree.queue
    ids = queue.submit_many(tasks.noop, [()] * 12, config=TaskConfig(rate="3/1s"))
    records = [queue.wait(task_id, WAIT) for task_id in ids]
    starts = sorted(record.started_at or 0.0 for record in records)
    for first, fourth in zip(starts, starts[3:], strict=False):
        assert fourth - first >= 0.99


# -- unique keys -------------------------------------------------------------------------------------------------


def test_the_key_of_a_holder_that_is_killed_is_free_at_once(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(workers=1)
    queue = tree.queue
    config = TaskConfig(unique="invoice 7", crash_budget=1)
    holder = queue.submit(tasks.sleep, 600, str(tmp_path / "pid"), config=config)
    written(tmp_path / "pid")
    assert queue.submit(tasks.noop, config=config) == holder, "the id of the one that stands for both"
    restart_broker(tree)
    assert queue.submit(tasks.noop, config=config) == holder
    kill_running(queue, holder)
    assert ended(queue, holder).state is State.LOST
    other = queue.submit(tasks.noop, config=config)
    assert other != holder
    queue.wait(other, WAIT)


@pytest.mark.parametrize("end", ["cancelled", "failed", "timed out", "succeeded"])
def test_any_end_frees_the_key(tree: RunningTree, tmp_path: Path, end: str) -> None:
    queue = tree.queue
    key: TaskOptions = {"unique": "k", "max_retries": 0}
    match end:
        case "cancelled":
            first = queue.submit(tasks.sleep, 600, config=TaskConfig(**key))
            queue.cancel(first)
        case "failed":
            first = queue.submit(tasks.fail, config=TaskConfig(**key))
        case "timed out":
            first = queue.submit(tasks.endless_loop, config=TaskConfig.of({**key, "timeout": 0.2}))
        case _:
            first = queue.submit(tasks.noop, config=TaskConfig(**key))
    ended(queue, first)
    second = queue.submit(tasks.noop, config=TaskConfig(**key))
    assert second != first
    queue.wait(second, WAIT)


def test_a_key_is_held_until_the_start_or_for_a_period(tree: RunningTree, tmp_path: Path) -> None:
    queue = tree.queue
    started: TaskOptions = {"unique": "s", "unique_until": "started"}
    first = queue.submit(tasks.sleep, 600, str(tmp_path / "pid"), config=TaskConfig(**started))
    written(tmp_path / "pid")
    second = queue.submit(tasks.noop, config=TaskConfig.of({**started, "delay": 600}))
    assert second != first
    assert queue.submit(tasks.noop, config=TaskConfig(**started)) == second
    for task_id in (first, second):
        queue.cancel(task_id)
    period: TaskOptions = {"unique": "p", "unique_until": "3s"}
    third = queue.submit(tasks.noop, config=TaskConfig(**period))
    queue.wait(third, WAIT)
    restart_broker(tree)
    assert queue.submit(tasks.noop, config=TaskConfig(**period)) == third, "its end does not end the period"
    until(lambda: queue.submit(tasks.noop, config=TaskConfig(**period)) != third, "the end of the period", WAIT)


# -- length and expiry -------------------------------------------------------------------------------------------


@RESTARTS
def test_a_queue_of_limited_length_is_full_and_the_others_are_not(make_tree: MakeTree, restart: Restart) -> None:
    tree = make_tree(queue_limits="mails=3")
    queue = tree.queue
    waits = TaskConfig(queue="mails", delay=600)
    with pytest.raises(QueueFullError, match=r"the queue 'mails' is full: it holds 3 unfinished tasks"):
        queue.submit_many(tasks.noop, [()] * 4, config=waits)
    assert not queue.stats().unfinished, "all of them, or none"
    ids = queue.submit_many(tasks.noop, [()] * 3, config=waits)
    restart(tree)
    with pytest.raises(QueueFullError) as full:
        queue.submit(tasks.noop, config=waits)
    assert (full.value.limit, full.value.queue) == (3, "mails")
    queue.wait(queue.submit(tasks.noop), WAIT)
    queue.cancel(ids[0])
    assert queue.submit(tasks.noop, config=waits)


def test_what_is_not_started_in_time_expires_and_does_not_run(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(workers=1, grace="100ms")
    queue, flag, path = tree.queue, tmp_path / "flag", tmp_path / "order"
    held_up(queue, flag)
    late = note(queue, path, "late", expires=0.5)
    with pytest.raises(TaskExpiredError):
        queue.wait(late, WAIT)
    queue.pause("other")
    asleep = note(queue, path, "while nobody was there", expires=1.0, queue="other")
    tree.stop()
    tree.start()
    assert ended(queue, asleep).state is State.EXPIRED
    flag.touch()
    queue.wait(note(queue, path, "in time", expires=600), WAIT)
    assert lines(path) == ["in time"]
