"""A chain and a chord, with their processes killed in the middle."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor import GroupHandle, State, TaskCancelledError, TaskQueue, chain, group
from tests.conftest import MakeTree
from tests.support import together_tasks as tasks
from tests.support.gates import Gated
from tests.support.tasks import kill_myself
from tests.support.tree import RunningTree
from tests.support.waiting import until

MODULES = ["tests.support.tasks", "tests.support.together_tasks"]
WAIT = 60.0
Victim = Callable[[RunningTree, Gated, str], None]


def worker(tree: RunningTree, gated: Gated, name: str) -> None:
    gated.kill_worker(name)


def broker(tree: RunningTree, gated: Gated, name: str) -> None:
    before = tree.pid_of("broker")
    os.kill(before, signal.SIGKILL)
    until(lambda: tree.pid_of("broker") != before, "another broker", WAIT)


def everything(tree: RunningTree, gated: Gated, name: str) -> None:
    """The owner, the guardian and the master at once; then another life of it."""
    tree.remember()
    assert tree.process is not None
    for pid in (tree.pid_of("guardian"), tree.pid_of("master"), tree.process.pid):
        os.kill(pid, signal.SIGKILL)
    tree.process.wait(WAIT)
    until(lambda: not tree.left_over(), "the end of all of it", WAIT)
    tree.start()


@pytest.mark.parametrize(("victim", "again"), [(worker, True), (broker, False), (everything, True)])
def test_a_chain_survives_a_kill_in_its_middle(
    make_tree: MakeTree, tmp_path: Path, victim: Victim, again: bool
) -> None:
    tree = make_tree(tasks=MODULES, cpus="off")
    gated, folder = Gated(tree.queue, tmp_path), str(tmp_path)
    steps = (
        tasks.note.on(tree.queue).step(folder, "first"),
        tasks.noted.on(tree.queue).step(folder, gated.close("second")),
        tasks.noted.on(tree.queue).step(folder, "third"),
    )
    handle = chain(*steps).delay()
    gated.began("second")
    victim(tree, gated, "second")
    assert handle.state() is State.BLOCKED
    gated.open("second")
    assert handle.result(WAIT) == 3
    assert [len(gated.runs(name)) for name in ("first", "second", "third")] == [1, 1 + again, 1]


@pytest.mark.parametrize(("victim", "again"), [(worker, True), (broker, False), (everything, True)])
def test_a_chord_survives_kills_in_its_members_and_in_its_callback(
    make_tree: MakeTree, tmp_path: Path, victim: Victim, again: bool
) -> None:
    tree = make_tree(tasks=MODULES, cpus="off", workers=3)
    gated, folder = Gated(tree.queue, tmp_path), str(tmp_path)
    note = tasks.note.on(tree.queue)
    members = group(
        note.step(folder, "quick", 10), note.step(folder, gated.close("held"), 20), note.step(folder, "last", 30)
    )
    handle = members.then(tasks.gathered.on(tree.queue).step(folder, gated.close("callback"))).delay()
    gated.began("held")
    gated.began("last")
    victim(tree, gated, "held")
    assert not gated.runs("callback"), "not before all have ended"
    gated.open("held")
    gated.began("callback")
    victim(tree, gated, "callback")
    gated.open("callback")
    assert handle.result(WAIT) == 11 + 21 + 31 + 1
    assert [len(gated.runs(name)) for name in ("quick", "held", "last")] == [1, 1 + again, 1]
    assert len(gated.runs("callback")) == 1 + again, "once; and again for the attempt that was killed"


def test_a_group_is_found_again_after_a_kill_of_everything(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(tasks=MODULES, cpus="off")
    gated = Gated(tree.queue, tmp_path)
    note = tasks.note.on(tree.queue)
    gated.close("held")
    group_id = group.of(note, [(str(tmp_path), "ended", 1), (str(tmp_path), "held", 2)]).delay().id
    gated.began("held")
    until(lambda: tree.queue.get_group(group_id).progress().succeeded == 1, "the end of one", WAIT)
    everything(tree, gated, "held")
    other = TaskQueue(tree.dir)
    found: GroupHandle[int] = other.get_group(group_id)
    assert (found.progress().total, found.progress().succeeded) == (2, 1)
    gated.open("held")
    assert found.results(WAIT) == [2, 3]
    other.close()


def test_a_member_that_is_killed_for_good_cancels_the_callback_by_name(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(tasks=MODULES, cpus="off")
    dies = kill_myself.on(tree.queue).step(9).options(name="the one that dies", crash_budget=2)
    handle = group(tasks.add.on(tree.queue).step(1, 2), dies).then(tasks.tell.on(tree.queue).step()).delay()
    with pytest.raises(TaskCancelledError, match=r"its parent the one that dies \(\w+\) was lost"):
        handle.result(WAIT)
