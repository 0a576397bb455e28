"""Starting, draining, stopping and starting again: nothing accepted is lost, nothing that was started is left."""

from __future__ import annotations

import functools
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from supervisor import Cause, Priority, QueueUnavailableError, State, TaskQueue
from supervisor.directory import Directory
from supervisor.system import lock
from tests.conftest import MakeTree
from tests.support import tasks
from tests.support.processes import family, naming
from tests.support.tree import RunningTree
from tests.support.waiting import until

WAIT = 60.0


@pytest.fixture
def make_tree(make_tree: MakeTree) -> MakeTree:
    """Trees whose workers are of ordinary niceness, so that a busy machine does not starve them."""
    return functools.partial(make_tree, cpus="off")


def state(tree: RunningTree, task_id: str) -> State:
    return tree.queue.state(task_id)


def start_long(tree: RunningTree, name: str = "started", seconds: float = 600) -> str:
    """A task that runs for long; its id, once it runs. It notes each of its starts."""
    path = tree.folder / name
    task_id = tree.queue.submit(tasks.sleep, seconds, str(path))
    until(path.exists, "the task to start", 30.0)
    return task_id


def _note_and_wait(started: str, gate: str) -> str:
    tasks.note(started)
    return tasks.wait_for_file(gate, 60.0)


def start_gated(tree: RunningTree) -> str:
    """A task that ends when the file "gate" is there; its id, once it runs (and is not only handed out)."""
    started = tree.folder / "gated"
    task_id = tree.queue.submit(_note_and_wait, str(started), str(tree.folder / "gate"))
    until(started.exists, "the task to start", 30.0)
    return task_id


def everybody(tree: RunningTree) -> list[int]:
    """Every process of the tree, the owner first."""
    assert tree.process is not None
    tree.remember()
    roles = [tree.pid_of(role) for role in ("guardian", "master", "broker", "template")]
    return [tree.process.pid, *roles, *tree.worker_pids()]


# -- draining ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_what_runs_may_end_within_the_grace_time(make_tree: MakeTree, signum: int) -> None:
    tree = make_tree(grace="30s")
    running = start_gated(tree)
    tree.signal(signum)
    until(lambda: (tree.status() or {}).get("draining"), "the draining to begin", 30.0)
    queued = tree.queue.submit(tasks.add, 1, 2)
    assert state(tree, queued) is State.QUEUED, "accepted still, and handed out no more"
    (tree.folder / "gate").touch()
    assert tree.process is not None
    assert tree.process.wait(20.0) == 0
    until(lambda: not tree.left_over(), "the end of the tree", 30.0)
    assert not Directory(tree.dir).socket.exists()
    assert not Directory(tree.dir).control.exists()
    tree.start()
    record = tree.queue.get_result(running)
    assert record is not None
    assert (record.state, record.result, record.attempt) == (State.SUCCEEDED, "seen", 1)
    assert tree.queue.wait(queued, timeout=WAIT).result == 3


def test_what_runs_longer_is_put_back_uncounted_and_runs_again(make_tree: MakeTree) -> None:
    tree = make_tree(grace="300ms", max_retries=0, crash_budget=1, abort_budget=1)
    task_id = start_long(tree)
    with family(tree.folder / "children") as children:
        tree.queue.submit(tasks.spawn_family, str(children))
        until(lambda: len(naming(children)) == 3, "the family to come", 30.0)
        started = time.monotonic()
        assert tree.stop() == 0
        assert 0.25 < time.monotonic() - started < 15
        until(lambda: not tree.left_over() and not naming(children), "the end of all that ran")
    (tree.folder / "started").unlink()
    tree.start()
    until((tree.folder / "started").exists, "the task to run again", 30.0)
    record = tree.queue.get_task(task_id)
    assert record is not None
    assert (record.state, record.attempt) == (State.RUNNING, 1)
    assert tree.queue.cancel(task_id) is True


def test_without_grace_it_stops_at_once(make_tree: MakeTree) -> None:
    tree = make_tree(grace=0)
    start_long(tree)
    started = time.monotonic()
    assert tree.stop() == 0
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(make_tree: MakeTree, second: int) -> None:
    tree = make_tree(grace="10m", max_retries=0, crash_budget=1)
    task_id = start_long(tree)
    tree.signal(signal.SIGTERM)
    until(lambda: (tree.status() or {}).get("draining"), "the draining to begin", 30.0)
    assert tree.process is not None
    assert tree.process.poll() is None
    tree.signal(second)
    assert tree.process.wait(15.0) == 0
    until(lambda: not tree.left_over(), "the end of the tree", 30.0)
    tree.start()
    assert state(tree, task_id) in (State.QUEUED, State.RUNNING)
    tree.queue.cancel(task_id)


def test_a_task_that_will_not_stop_does_not_hold_the_end_up(make_tree: MakeTree) -> None:
    tree = make_tree(grace="200ms")
    for stubborn in (tasks.block_all_signals, tasks.hold_the_gil):
        tree.queue.submit(stubborn)
    until(lambda: tree.queue.stats().unfinished == {"running": 2}, "both to run", 30.0)
    assert tree.stop() == 0


# -- stopping and starting ---------------------------------------------------------------------------------------


def test_stop_and_start_keeps_the_queue_its_order_and_the_results(make_tree: MakeTree) -> None:
    tree = make_tree(workers=1, grace="100ms", batch_size=1)
    ran = tree.folder / "ran"
    done = tree.queue.submit(tasks.told)
    failed = tree.queue.submit(tasks.fail.options(max_retries=0), "as asked")
    assert tree.queue.wait(done, timeout=WAIT).state is State.SUCCEEDED
    assert tree.queue.wait(failed, timeout=WAIT).state is State.FAILED
    before = [tree.queue.get_result(task_id) for task_id in (done, failed)]
    blocker = start_long(tree)
    ordinary = [tree.queue.submit(tasks.note, str(ran), f"{number}\n") for number in range(20)]
    urgent = tree.queue.submit(tasks.note.options(priority=Priority.HIGH), str(ran), "urgent\n")
    delayed = tree.queue.submit(tasks.note.options(delay=2), str(ran), "delayed\n")
    large = tree.queue.submit(tasks.length, b"x" * 1_000_000)
    removed = tree.queue.submit(tasks.note, str(ran), "never\n")
    assert tree.queue.cancel(removed)
    assert tree.queue.cancel(blocker)
    until(lambda: state(tree, blocker) is State.CANCELLED, "the worker to be free")
    hold = start_long(tree, "hold") if not ran.exists() else None
    tree.stop()
    tree.start()
    assert [tree.queue.get_result(task_id) for task_id in (done, failed)] == before
    if hold is not None:
        tree.queue.cancel(hold)
    for task_id in (*ordinary, urgent, delayed, large):
        assert tree.queue.wait(task_id, timeout=WAIT).state is State.SUCCEEDED
    assert tree.queue.wait(large).result == 1_000_000
    assert state(tree, removed) is State.CANCELLED
    lines = ran.read_text().split()
    assert sorted(lines) == sorted([*map(str, range(20)), "urgent", "delayed"]), "each once"
    assert lines[-1] == "delayed"
    numbers = [int(line) for line in lines if line.isdigit()]
    assert numbers == sorted(numbers)


def test_a_deep_queue_comes_back(make_tree: MakeTree) -> None:
    tree = make_tree(grace="100ms")
    blockers = [start_long(tree, f"started{number}") for number in range(2)]
    ids = tree.queue.submit_many(tasks.add, [(number, 1) for number in range(5_000)])
    tree.stop()
    tree.start()
    assert sum(tree.queue.stats().unfinished.values()) == 5_002
    for blocker in blockers:
        tree.queue.cancel(blocker)
    assert tree.queue.wait(ids[-1], timeout=WAIT).result == 5_000
    assert tree.queue.wait(ids[0], timeout=WAIT).result == 1


def test_ten_starts_and_stops(make_tree: MakeTree) -> None:
    tree = make_tree(start=False, workers=1)
    for number in range(10):
        tree.start()
        assert tree.queue.wait(tree.queue.submit(tasks.add, number, 1), timeout=WAIT).result == number + 1
        assert tree.stop() == 0
        until(lambda: not tree.left_over(), "the end of the tree", 30.0)


def test_a_stop_in_the_middle_of_the_start(make_tree: MakeTree) -> None:
    tree = make_tree(start=False)
    for pause in (0.0, 0.05, 0.15, 0.3, 0.6):
        tree.start(wait=False)
        assert tree.process is not None
        process = tree.process
        time.sleep(pause)  # not a wait for anything: a moment of the start, wherever that is by then
        code = tree.stop()
        assert code in (0, -signal.SIGTERM), "before its handlers are there, the signal itself ends it"
        assert process.poll() == code
        until(lambda: lock.holder(Directory(tree.dir).lock) is None, "the lock to be free", 20.0)
    tree.start()
    assert tree.queue.wait(tree.queue.submit(tasks.add, 1, 2), timeout=WAIT).result == 3


# -- one at a time -----------------------------------------------------------------------------------------------


def test_a_second_supervisor_on_the_directory_is_refused(tree: RunningTree) -> None:
    second = RunningTree(tree.folder)
    second.log = tree.folder / "second.txt"
    second.start(wait=False)
    try:
        assert second.process is not None
        assert second.process.wait(20.0) == 1
        assert "AlreadyRunningError: a supervisor already runs on" in second.tail()
    finally:
        if second.process is not None and second.process.poll() is None:
            second.process.kill()
            second.process.wait()
    assert tree.queue.wait(tree.queue.submit(tasks.add, 1, 2), timeout=WAIT).result == 3
    assert tree.stop() == 0


def test_of_several_started_at_once_one_runs(make_tree: MakeTree) -> None:
    first = make_tree(start=False, workers=1)
    rivals = [first, *(RunningTree(first.folder, workers=1) for _ in range(2))]
    for number, rival in enumerate(rivals):
        rival.log = first.folder / f"log{number}.txt"
        rival.start(wait=False)
    try:
        first.wait_ready()
        until(lambda: sum(ended_with(rival, 1) for rival in rivals) == 2, "the others to be refused", 30.0)
        assert first.queue.wait(first.queue.submit(tasks.add, 1, 2), timeout=WAIT).result == 3
    finally:
        for rival in rivals:
            rival.stop()


def ended_with(tree: RunningTree, code: int) -> bool:
    assert tree.process is not None
    return tree.process.poll() == code


# -- owners that die ---------------------------------------------------------------------------------------------


def test_when_the_owner_is_killed_everything_ends(make_tree: MakeTree) -> None:
    tree = make_tree(orphan_grace="200ms")
    with family(tree.folder / "children") as children:
        task_id = tree.queue.submit(tasks.spawn_family, str(children))
        until(lambda: len(naming(children)) == 3, "the family to come", 30.0)
        start_long(tree)
        tree.remember()
        tree.signal(signal.SIGKILL)
        assert tree.process is not None
        tree.process.wait(5.0)
        until(lambda: not tree.left_over() and not naming(children), "the end of everything", 15.0)
    with pytest.raises(QueueUnavailableError):
        TaskQueue(tree.dir, timeout=0.3).stats()
    tree.start()
    record = tree.queue.get_task(task_id)
    assert record is not None
    assert (record.state in (State.QUEUED, State.RUNNING), record.attempt <= 1) == (True, True), "put back, not counted"
    tree.queue.cancel(task_id)


def test_when_the_owner_is_killed_what_runs_may_end(make_tree: MakeTree) -> None:
    tree = make_tree(orphan_grace="20s")
    task_id = start_gated(tree)
    tree.remember()
    tree.signal(signal.SIGKILL)
    assert tree.process is not None
    tree.process.wait(5.0)
    until(lambda: (tree.status() or {}).get("draining"), "the draining to begin", 30.0)
    (tree.folder / "gate").touch()
    until(lambda: not tree.left_over(), "the end of everything", 15.0)
    tree.start()
    record = tree.queue.get_result(task_id)
    assert record is not None
    assert (record.state, record.result) == (State.SUCCEEDED, "seen")


def test_a_new_owner_takes_over_while_the_orphans_still_drain(make_tree: MakeTree) -> None:
    tree = make_tree(grace="60s", orphan_grace="50s")
    task_id = start_gated(tree)
    before = everybody(tree)
    tree.signal(signal.SIGKILL)
    assert tree.process is not None
    tree.process.wait(5.0)
    until(lambda: (tree.status() or {}).get("draining"), "the draining to begin", 30.0)
    later = tree.queue.submit(tasks.add, 1, 2)
    tree.start()
    assert tree.queue.wait(later, timeout=WAIT).result == 3
    (tree.folder / "gate").touch()
    record = tree.queue.wait(task_id, timeout=WAIT)
    assert (record.result, record.attempt) == ("seen", 1)
    assert everybody(tree)[1:4] == before[1:4], "guardian, master and broker are those that were there"


def test_new_code_runs_after_a_takeover(make_tree: MakeTree) -> None:
    tree = make_tree()
    template = tree.pid_of("template")
    tree.signal(signal.SIGKILL)
    assert tree.process is not None
    tree.process.wait(5.0)
    tree.start()
    until(lambda: tree.pid_of("template") != template, "another template", 30.0)
    assert tree.queue.wait(tree.queue.submit(tasks.add, 1, 2), timeout=WAIT).result == 3


def test_a_new_owner_that_comes_after_the_heir_was_waited_for_has_the_task_that_still_runs(
    make_tree: MakeTree,
) -> None:
    tree = make_tree(grace="60s", orphan_grace="50s")
    task_id = start_gated(tree)
    workers = tree.worker_pids()
    tree.signal(signal.SIGKILL)
    assert tree.process is not None
    tree.process.wait(5.0)
    until(lambda: len(set(tree.worker_pids()) & set(workers)) == 1, "the idle worker to leave", 30.0)
    tree.start()
    assert tree.queue.wait(tree.queue.submit(tasks.add, 1, 2), timeout=WAIT).result == 3
    (tree.folder / "gate").touch()
    assert tree.queue.wait(task_id, timeout=WAIT).attempt == 1


# -- signals to everybody ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_every_process_at_once_drains_all_the_same(make_tree: MakeTree, signum: int) -> None:
    """systemd's KillMode=control-group, and Ctrl-C in a terminal."""
    tree = make_tree(grace="30s")
    task_id = start_gated(tree)
    for pid in reversed(everybody(tree)):  # the owner last: from then on one that is idle may be gone already
        os.kill(pid, signum)
    until(lambda: (tree.status() or {}).get("draining"), "the draining to begin", 30.0)
    (tree.folder / "gate").touch()
    assert tree.process is not None
    assert tree.process.wait(20.0) == 0
    tree.start()
    record = tree.queue.get_result(task_id)
    assert record is not None
    assert (record.state, record.attempt, record.cause) == (State.SUCCEEDED, 1, None), tree.tail(100)


def test_a_signal_to_the_tree_without_its_owner_ends_nothing(tree: RunningTree) -> None:
    before = everybody(tree)
    for pid in before[1:]:
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            os.kill(pid, signum)
    assert tree.queue.wait(tree.queue.submit(tasks.add, 1, 2), timeout=WAIT).result == 3
    assert everybody(tree) == before


def test_kill_of_every_process_at_once_loses_nothing(make_tree: MakeTree) -> None:
    tree = make_tree()
    task_id = start_long(tree)
    other = start_long(tree, "started too")
    queued = [tree.queue.submit(tasks.add, number, 1) for number in range(10)]
    for pid in everybody(tree):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not tree.left_over(), "the end of everybody", 30.0)
    assert tree.process is not None
    tree.process.wait(5.0)
    tree.start()
    assert tree.queue.cancel(other) is True
    assert [tree.queue.wait(each, timeout=WAIT).result for each in queued] == list(range(1, 11))
    record = tree.queue.get_task(task_id)
    assert record is not None
    assert record.cause is Cause.ABORT, "one attempt is counted, on its own budget"
    tree.queue.cancel(task_id)


# -- parts of the tree that die ----------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["guardian", "master", "broker", "template"])
def test_what_dies_is_back(make_tree: MakeTree, role: str) -> None:
    tree = make_tree()
    assert tree.queue.wait(tree.queue.submit(tasks.add, 1, 2), timeout=WAIT).result == 3
    before = tree.pid_of(role)
    os.kill(before, signal.SIGKILL)
    until(lambda: new_pid(tree, role, before), f"a new {role}", 30.0)
    tree.wait_ready(timeout=30.0)
    assert tree.queue.wait(tree.queue.submit(tasks.add, 3, 4), timeout=WAIT).result == 7
    assert tree.stop() == 0
    until(lambda: not tree.left_over(), "the end of the tree", 30.0)


def new_pid(tree: RunningTree, role: str, before: int) -> bool:
    status = tree.status()
    found = status[role] if status else before
    pid = found["pid"] if isinstance(found, dict) else found
    return bool(pid) and pid != before


def test_submits_go_on_while_parts_of_the_tree_die(make_tree: MakeTree) -> None:
    tree = make_tree(abort_budget=100)
    queue = TaskQueue(tree.dir, timeout=30.0)
    ran = tree.folder / "ran"

    def submit_all() -> list[str]:
        return [queue.submit(tasks.note, str(ran), f"{number}\n") for number in range(300)]

    with ThreadPoolExecutor(1) as pool:
        submitting = pool.submit(submit_all)
        for role in ("broker", "template", "broker", "master", "guardian"):
            before = tree.pid_of(role)
            os.kill(before, signal.SIGKILL)
            until(lambda role=role, before=before: new_pid(tree, role, before), f"a new {role}", 30.0)  # type: ignore[misc]
        ids = submitting.result(WAIT)
    for task_id in ids:
        assert queue.wait(task_id, timeout=WAIT).state is State.SUCCEEDED
    ran_numbers = sorted(set(map(int, ran.read_text().split())))
    assert ran_numbers == list(range(300)), "each at least once"


def test_a_worker_that_leaves_is_replaced(tree: RunningTree) -> None:
    before = tree.worker_pids()
    os.kill(before[0], signal.SIGKILL)
    until(lambda: len(tree.worker_pids()) == 2 and before[0] not in tree.worker_pids(), "a new worker", 30.0)
    tree.wait_ready()
    assert before[1] in tree.worker_pids()
