"""More workers while tasks wait, fewer when they have nothing to do; beside recycling, reloads and kills."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeTree
from tests.support import tasks
from tests.support.tree import RunningTree
from tests.support.waiting import until

WAIT = 60.0


def stages(tree: RunningTree) -> list[str]:
    status = tree.status()
    return [] if status is None else sorted(worker["stage"] for worker in status["workers"])


def holds(tree: RunningTree, count: int, path: Path) -> Callable[[], None]:
    """So many tasks that go on until they are let go."""
    handles = tasks.wait_for_file.on(tree.queue).map([(str(path), 60.0)] * count)

    def let_go() -> None:
        path.touch()
        assert [handle.result(timeout=WAIT) for handle in handles] == ["seen"] * count

    return let_go


SPARE = {"each a fork": False, "each imports for itself": True}


@pytest.mark.parametrize("bare", SPARE.values(), ids=SPARE)
def test_it_grows_under_a_backlog_and_shrinks_when_idle(
    make_tree: MakeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bare: bool
) -> None:
    (tmp_path / "threaded.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    modules = ["tests.support.tasks", *(["threaded"] if bare else [])]
    tree = make_tree(tasks=modules, cpus="off", workers=1, max_workers=4, worker_idle_timeout=0.5)
    let_go = holds(tree, 6, tmp_path / "go")
    until(lambda: tree.queue.active_count() == 4, "four of them to run", WAIT)
    status = tree.status()
    assert status is not None
    assert status["wanted"] == 4, "as many as there may be, and no more"
    assert {worker["seat"] for worker in status["workers"] if not worker["spare"]} == {0, 1, 2, 3}
    let_go()
    until(lambda: len(stages(tree)) == 1 + bare, "one worker, as without work", WAIT)
    assert tree.queue.stats().peak_concurrency == 4
    assert tasks.add.on(tree.queue).delay(1, 1).result(timeout=WAIT) == 2


def test_it_falls_below_the_number_it_began_with_and_a_killed_one_is_replaced(
    make_tree: MakeTree, tmp_path: Path
) -> None:
    tree = make_tree(cpus="off", workers=3, min_workers=1, worker_idle_timeout=0.5)
    until(lambda: stages(tree) == ["ready"], "one of three to be left", WAIT)
    let_go = holds(tree, 3, tmp_path / "go")
    until(lambda: tree.queue.active_count() == 3, "all three to be back", WAIT)
    pid = tree.queue.workers()[0].pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: pid not in [run.worker for run in tree.queue.active()], "its end")
    until(lambda: tree.queue.active_count() == 3, "its task to run again", WAIT)
    let_go()
    until(lambda: stages(tree) == ["ready"], "one to be left", WAIT)


def test_recycling_goes_on_one_at_a_time_while_it_grows_and_shrinks(make_tree: MakeTree) -> None:
    rules: dict[str, Any] = {"max_tasks": 5, "batch_size": 1}
    tree = make_tree(cpus="off", workers=1, max_workers=4, worker_idle_timeout=0.3, **rules)
    for _ in range(3):
        handles = tasks.sleep.on(tree.queue).map([(0.01,)] * 60)
        assert {handle.result(timeout=WAIT) for handle in handles} == {"slept"}
        until(lambda: stages(tree) == ["ready"], "one to be left", WAIT)
    status = tree.status()
    assert status is not None
    assert status["deaths"] == {}
    assert status["recycled"]["it ran 5 tasks"] > 0
    assert status["recycled"]["there are more workers than wanted"] > 0
