"""Recycling: workers are replaced one at a time, each when its replacement is ready, and no task notices."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from supervisor import State
from supervisor.system import proc
from tests.conftest import MakeTree
from tests.support import bad_tasks, tasks
from tests.support.shared import ended, written
from tests.support.tree import RunningTree
from tests.support.waiting import until

MODULES = ["tests.support.tasks", "tests.support.bad_tasks"]


class Watch:
    """Looks at the tree's status all the time, until told to stop."""

    def __init__(self, tree: RunningTree) -> None:
        self._tree = tree
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.seen: list[dict[str, Any]] = []

    def _look(self) -> None:
        while not self._done.wait(0.002):
            status = self._tree.status()
            if status is not None:
                self.seen.append(status)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def most(self, stages: set[str]) -> int:
        """The most workers that were seen in these stages at once."""
        return max(sum(worker["stage"] in stages for worker in status["workers"]) for status in self.seen)

    def fewest_ready(self) -> int:
        """The fewest workers that were seen ready at once."""
        return min(int(status["ready"]) for status in self.seen)


RULES: dict[str, dict[str, Any]] = {
    "after a number of tasks": {"max_tasks": 20, "max_tasks_jitter": 5},
    "at an age": {"max_age": 0.3},
    "at both": {"max_tasks": 40, "max_age": 0.5},
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_nothing_is_lost_or_run_twice_under_load(make_tree: MakeTree, tmp_path: Path, rule: dict[str, Any]) -> None:
    tree = make_tree(workers=3, tasks=MODULES, cpus="off", **rule)
    path = tmp_path / "runs"
    with Watch(tree) as watch:
        ids = tree.queue.submit_many(bad_tasks.note_number, [(str(path), number) for number in range(600)])
        records = [ended(tree.queue, task_id, 60) for task_id in ids]
    assert Counter(record.state for record in records) == {State.SUCCEEDED: 600}
    assert {record.attempt for record in records} == {1}
    lines = [line.split() for line in path.read_text().splitlines()]
    assert sorted(int(number) for number, _ in lines) == list(range(600))
    most = max(Counter(pid for _, pid in lines).values())
    assert most <= rule.get("max_tasks", 600) + rule.get("max_tasks_jitter", 0)
    assert len({pid for _, pid in lines}) > 3
    assert watch.fewest_ready() >= 3
    assert watch.most({"forking", "booting"}) == 1


def test_limits_differ_from_worker_to_worker_by_the_jitter(make_tree: MakeTree) -> None:
    tree = make_tree(workers=1, tasks=MODULES, cpus="off", max_tasks=10, max_tasks_jitter=5, batch_size=1)
    handles = tasks.who_am_i.on(tree.queue).map([()] * 120)
    runs = Counter(handle.result(timeout=60)[0] for handle in handles)
    last = handles[-1].result(timeout=10)[0]
    limits = {count for pid, count in runs.items() if pid != last}
    assert limits <= set(range(5, 16))
    assert len(limits) > 1


def test_a_worker_that_has_grown_is_replaced(make_tree: MakeTree) -> None:
    tree = make_tree(workers=1, tasks=MODULES, cpus="off", max_memory="100M")
    leak = bad_tasks.leak.on(tree.queue)
    first = leak.delay(40).result(timeout=30)
    assert leak.delay(80).result(timeout=30) == first
    until(lambda: tasks.who_am_i.on(tree.queue).delay().result(timeout=20)[0] != first, "its replacement", 20)
    until(lambda: proc.state(first) in (None, "Z"), "its end", 20)
    assert tree.wait_ready()["deaths"] == {}


@pytest.mark.parametrize("settings", [{"max_age": 0.3}, {"max_tasks": 1}], ids=["it is too old", "it is its last task"])
def test_a_running_task_is_not_cut_off(make_tree: MakeTree, tmp_path: Path, settings: dict[str, Any]) -> None:
    tree = make_tree(workers=1, tasks=MODULES, cpus="off", **settings)
    path = tmp_path / "pid"
    long = tasks.sleep.on(tree.queue).delay(3.0, str(path))
    pid = int(written(path))
    assert long.result(timeout=30) == "slept"
    assert long.record().worker == pid
    until(lambda: proc.state(pid) in (None, "Z"), "the end of the worker that was replaced", 20)


def test_idle_workers_that_are_too_old_leave(make_tree: MakeTree) -> None:
    tree = make_tree(workers=2, tasks=MODULES, cpus="off", max_age=0.5)
    seen = set(tree.worker_pids())
    until(lambda: not seen & set(tree.worker_pids()), "both workers to be replaced", 30)
    until(lambda: all(proc.state(pid) in (None, "Z") for pid in seen), "the end of both", 20)
    status = tree.wait_ready()
    assert status["deaths"] == {}


FATES: dict[str, Callable[[dict[str, Any]], bool]] = {
    "the old one is killed": lambda worker: worker["stage"] == "ready",
    "the new one is killed": lambda worker: worker["stage"] in ("forking", "booting") and bool(worker["pid"]),
}


@pytest.mark.parametrize("victim", FATES.values(), ids=FATES)
def test_a_kill_in_the_middle_of_a_replacement_leaves_as_many_as_wanted(
    make_tree: MakeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: Callable[[dict[str, Any]], bool]
) -> None:
    (tmp_path / "slow_start.py").write_text(
        "import time\nfrom supervisor import on_worker_start\n@on_worker_start\ndef begin():\n    time.sleep(0.7)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    tree = make_tree(workers=2, tasks=["tests.support.tasks", "slow_start"], cpus="off", max_tasks=5)
    tree.queue.submit_many(tasks.noop, [()] * 9)  # at least one of two is due

    def replacing() -> list[dict[str, Any]] | None:
        status = tree.status()
        assert status is not None
        workers: list[dict[str, Any]] = status["workers"]
        return workers if any(FATES["the new one is killed"](worker) for worker in workers) else None

    workers = until(replacing, "a replacement to be under way", 20)
    seats = {worker["seat"] for worker in workers if worker["stage"] in ("forking", "booting")}
    killed = next(worker["pid"] for worker in workers if victim(worker) and worker["seat"] in seats)
    os.kill(killed, signal.SIGKILL)
    until(lambda: proc.state(killed) in (None, "Z"), "its end")
    handles = tasks.add.on(tree.queue).map([(n, 1) for n in range(4)])
    assert [handle.result(timeout=30) for handle in handles] == [1, 2, 3, 4]

    def settled() -> bool:
        status = tree.status()
        assert status is not None
        stages = [worker["stage"] for worker in status["workers"]]
        return stages == ["ready", "ready"] and len({worker["seat"] for worker in status["workers"]}) == 2

    until(settled, "two workers, on two seats", 20)
