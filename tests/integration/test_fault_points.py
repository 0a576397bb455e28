"""Every fault point visited once by a kill and once by a stop, under load: nothing is lost, doubled or left hanging."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from supervisor import QueueUnavailableError, State, TaskConfig, faults
from tests.conftest import MakeTree
from tests.support import tasks
from tests.support.load import Load
from tests.support.shared import ended
from tests.support.tree import RunningTree
from tests.support.waiting import until

MODULES = ["tests.support.tasks", "tests.support.bad_tasks"]
SIGNALS = {"killed": signal.SIGKILL, "stopped": signal.SIGSTOP}
BACK = 30.0


@pytest.fixture
def armed(make_tree: MakeTree, tmp_path: Path) -> RunningTree:
    """A tree whose processes have fault points, none of them armed yet."""
    (tmp_path / "faults").mkdir()
    tree = make_tree(
        start=False, tasks=MODULES, cpus="off", timeout=3, heartbeat_timeout=2, crash_budget=1000, abort_budget=1000
    )
    tree.environment[faults.VARIABLE] = str(tmp_path / "faults")
    return tree.start()


def meet(tree: RunningTree, role: str, point: str, signum: signal.Signals) -> None:
    """Arm a point, wait until somebody has met it, and until the tree works again."""
    folder = Path(tree.environment[faults.VARIABLE])
    workers = until(tree.worker_pids, "a worker", BACK)
    faults.arm(folder, role, point, signum)
    if point.startswith("line."):  # there is something to say on it when a worker dies, and another is wanted
        os.kill(workers[0], signal.SIGKILL)
    if point.startswith("control."):
        tree.status()
    _ = tasks.add.on(tree.queue).options(max_retries=5).delay(1, 1)
    if point.startswith("commit.held"):
        until(lambda: faults.met(folder, role, point) or ask_meanwhile(tree), f"a {role} at {point}", BACK)
    until(lambda: faults.met(folder, role, point), f"a {role} at {point}; the log says:\n{tree.tail()}", BACK)
    tree.remember()
    handle = tasks.add.on(tree.queue).options(max_retries=5).delay(1, 2)

    def answer() -> int | None:
        with suppress(QueueUnavailableError):  # a busy machine may take longer to come back than a wait's slice
            return handle.result(timeout=BACK)
        return None

    assert until(answer, "an answer", BACK) == 3


def ask_meanwhile(tree: RunningTree) -> bool:
    """Ask after one of many short tasks, while several of them are with one worker; whether it is unknown."""
    ids = tree.queue.submit_many(tasks.add, [(1, 1)] * 100, config=TaskConfig(max_retries=5))
    return tree.queue.get_task(ids[-1]) is None


@pytest.mark.timeout(400)
@pytest.mark.parametrize("signum", SIGNALS.values(), ids=SIGNALS)
@pytest.mark.parametrize("role", [role for role in faults.ROLES if role != "client"])
def test_a_process_that_fails_at_any_point_loses_nothing(
    armed: RunningTree, tmp_path: Path, role: str, signum: signal.Signals
) -> None:
    with Load(armed, tmp_path / "runs") as load:
        for point in faults.points(role):
            meet(armed, role, point, signum)
            load.more(10)
    records = load.records(120)
    assert Counter(record.state for record in records) == {State.SUCCEEDED: len(load.accepted)}
    runs = load.runs()
    assert set(load.accepted) <= set(runs)
    assert armed.stop() == 0
    check_journal(armed)


def test_what_dies_in_the_middle_of_forking_a_worker_costs_no_time(armed: RunningTree) -> None:
    """Nobody tells the worker's pid then, and nobody else could know it."""
    folder = Path(armed.environment[faults.VARIABLE])
    for _ in range(3):
        faults.arm(folder, "template", "line.send.before", signal.SIGKILL)
        os.kill(until(armed.worker_pids, "a worker", BACK)[0], signal.SIGKILL)
        until(lambda: faults.met(folder, "template", "line.send.before"), "the template to fork", BACK)
        armed.wait_ready(timeout=8.0)
    assert armed.stop() == 0


@contextmanager
def client(tree: RunningTree, runs: Path, accepted: Path, first: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.submitting", str(tree.dir), str(runs), str(accepted), str(first)],
        cwd=Path(__file__).parent.parent.parent,
        env={**os.environ, **tree.environment},
        stdin=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10.0)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("signum", SIGNALS.values(), ids=SIGNALS)
def test_a_client_that_fails_at_any_point_leaves_only_whole_tasks(
    armed: RunningTree, tmp_path: Path, signum: signal.Signals
) -> None:
    runs, accepted = tmp_path / "runs", tmp_path / "accepted"
    for number, point in enumerate(faults.points("client")):
        with client(armed, runs, accepted, number * 1_000_000):
            before = accepted.stat().st_size if accepted.exists() else 0
            until(lambda: accepted.exists() and accepted.stat().st_size > before, "it to submit", BACK)  # noqa: B023
            meet(armed, "client", point, signum)
    told = dict(line.split() for line in accepted.read_text().splitlines())
    for task_id in told.values():
        assert ended(armed.queue, task_id).state is State.SUCCEEDED
    assert armed.stop() == 0
    ran = Counter(line.split()[0] for line in runs.read_text().splitlines())
    assert set(told) <= set(ran)
    assert set(ran.values()) == {1}
    check_journal(armed)


def check_journal(tree: RunningTree) -> None:
    """It is sound, and nothing in it is unfinished."""
    with closing(sqlite3.connect(tree.dir / "journal.db")) as journal:
        assert journal.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert journal.execute("SELECT count(*) FROM tasks WHERE ended_at IS NULL").fetchone() == (0,)


# -- the points themselves -------------------------------------------------------------------------------------


def test_a_point_that_does_not_exist_cannot_be_armed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a broker has no point 'commit\.during'"):
        faults.arm(tmp_path, "broker", "commit.during", signal.SIGKILL)


def test_without_a_test_nothing_is_wrapped() -> None:
    script = (
        "from supervisor import faults; from supervisor.journal.journal import Journal; before = Journal.write;"
        "faults.play('broker'); assert Journal.write is before"
    )
    clean = {name: value for name, value in os.environ.items() if name != faults.VARIABLE}
    subprocess.run([sys.executable, "-c", script], env=clean, check=True, timeout=60)
