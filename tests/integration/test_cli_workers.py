"""The commands about workers, and ``top`` in a terminal."""

from __future__ import annotations

import json

import pytest

from tests.conftest import MakeTree
from tests.support import bad_tasks, tasks
from tests.support.command import Terminal, ask, told
from tests.support.shared import ended
from tests.support.tree import RunningTree
from tests.support.waiting import until


def busy(tree: RunningTree) -> str:
    handle = tasks.endless_loop.on(tree.queue).options(timeout=600).delay()
    until(lambda: any(worker.elapsed for worker in tree.queue.workers()), "it to run")
    return handle.id


def test_recycling_replaces_a_worker_after_its_task(make_tree: MakeTree) -> None:
    tree = make_tree(workers=2)
    before = set(tree.worker_pids())
    one = min(before)
    assert told(tree, "workers", "recycle", str(one)) == {"asked": [one]}
    until(lambda: one not in tree.worker_pids() and len(tree.worker_pids()) == 2, "another in its place")
    assert len(told(tree, "workers", "recycle", "--all")["asked"]) == 2
    until(lambda: not before & set(tree.worker_pids()), "others in their place")
    assert tasks.add.on(tree.queue).delay(1, 1).result(timeout=20) == 2
    ran = ask(tree, "workers", "recycle", "1")
    assert (ran.code, "there is no such worker" in ran.error) == (1, True)
    assert ask(tree, "workers", "recycle").code == 2


def test_scaling_changes_how_many_there_are(make_tree: MakeTree) -> None:
    tree = make_tree(workers=1)
    assert told(tree, "workers", "scale", "3") == {"workers": 3}
    until(lambda: len(told(tree, "workers", "list")) == 3, "three workers")
    assert ask(tree, "workers", "scale", "0").code == 2


def test_a_stack_is_shown_and_what_runs_goes_on(make_tree: MakeTree) -> None:
    tree = make_tree(workers=1)
    task_id = busy(tree)
    (pid,) = tree.worker_pids()
    for _ in range(3):
        ran = ask(tree, "workers", "stack", str(pid))
        assert ran.code == 0, ran.error
        assert "in endless_loop" in ran.out
    assert tree.worker_pids() == [pid]
    tree.queue.cancel(task_id)
    until(lambda: tree.queue.get_task(task_id).state.ended, "its end")  # type: ignore[union-attr]


def test_a_stack_that_was_asked_for_is_not_taken_for_that_of_a_kill(make_tree: MakeTree) -> None:
    tree = make_tree(workers=1)
    first = busy(tree)
    (pid,) = tree.worker_pids()
    assert "in endless_loop" in ask(tree, "workers", "stack", str(pid)).out
    tree.queue.cancel(first)
    killed = tasks.hold_the_gil.on(tree.queue).options(timeout=0.5, max_retries=0).delay(600.0)
    record = ended(tree.queue, killed.id)
    assert record.error is not None
    assert "hold_the_gil" in (record.error.stack or "")
    assert "endless_loop" not in (record.error.stack or "")


@pytest.mark.parametrize("columns", [80, 160])
def test_the_soft_limit_is_told_beside_the_hard_one_and_once_it_has_passed(make_tree: MakeTree, columns: int) -> None:
    tree = make_tree(workers=1)
    handle = bad_tasks.sleep_through.on(tree.queue).options(soft_timeout=0.5, timeout=600).delay()
    until(lambda: any((worker.elapsed or 0.0) > 0.5 for worker in tree.queue.workers()), "it to sleep on")
    assert "10m 0s, soft 500ms" in ask(tree, "workers", "list").out
    assert "limit 10m 0s, soft limit 500ms" in ask(tree, "show", handle.id).out
    told = "% past soft" if columns == 80 else "% of 10m 0s, past soft"
    with Terminal("top", "--every", "0.2", "--dir", tree.dir, cwd=tree.folder, columns=columns) as terminal:

        def shown() -> str | None:
            terminal.read()
            return next((frame for frame in terminal.frames() if told in frame), None)

        frame = until(shown, "a word about it", 30.0)
        assert "│░░░" in frame, "a stroke where the soft limit is"
        assert max(map(len, frame.splitlines())) <= columns
        terminal.type("q")
        assert terminal.finish().code == 0
    handle.cancel()


@pytest.mark.parametrize("columns", [80, 160])
def test_top_shows_the_tree_and_its_keys_act_on_it(make_tree: MakeTree, columns: int) -> None:
    tree = make_tree(workers=1)
    task_id = busy(tree)
    (pid,) = tree.worker_pids()
    with Terminal("top", "--every", "0.2", "--dir", tree.dir, cwd=tree.folder, columns=columns) as terminal:
        wanted = ["1 of 1 worker busy", "of 10m 0s", "q quit", *([task_id] if columns == 160 else [])]

        def whole() -> str | None:
            terminal.read()
            return next((frame for frame in terminal.frames() if all(word in frame for word in wanted)), None)

        assert max(map(len, until(whole, "the running task", 30.0).splitlines())) <= columns
        terminal.type("d")
        until(lambda: "in endless_loop" in terminal.read(), "its stack")
        terminal.type("p")
        until(lambda: "the queue default is paused" in terminal.read(), "the pause")
        assert any(row["paused"] for row in tree.queue.queues())
        terminal.type("p")
        until(lambda: not any(row["paused"] for row in tree.queue.queues()), "the queue to go on")
        terminal.type("s")
        until(lambda: "cpu↓" in terminal.read(), "another order")
        terminal.type("x")
        until(lambda: tree.queue.get_task(task_id).state.ended, "the cancel")  # type: ignore[union-attr]
        terminal.type("r")
        until(lambda: pid not in tree.worker_pids(), "another worker")
        terminal.type("q")
        assert terminal.finish().code == 0


def test_top_says_so_when_the_supervisor_is_gone(make_tree: MakeTree) -> None:
    tree = make_tree(workers=1)
    with Terminal("top", "--every", "0.2", "--dir", tree.dir, cwd=tree.folder) as terminal:
        until(lambda: "0 of 1 worker busy" in terminal.read(), "what it shows", 30.0)
        assert tree.stop() == 0
        until(lambda: "shown is what was seen" in terminal.read(), "a word about it", 30.0)
        terminal.type("q")
        assert terminal.finish().code == 0


def test_top_into_a_pipe_is_one_look(make_tree: MakeTree) -> None:
    tree = make_tree(workers=1)
    ran = ask(tree, "top")
    assert ran.code == 0
    assert "0 of 1 worker busy" in ran.out
    looks = ask(tree, "top", "--json", "--looks", "2", "--every", "0.1").out.splitlines()
    assert [len(json.loads(look)["workers"]) for look in looks] == [1, 1]
