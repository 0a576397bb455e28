"""What Prometheus is told: the counts of what was really done, whatever dies meanwhile."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor import TaskConfig
from supervisor.cli.master import recycle
from supervisor.directory import Directory
from supervisor.states import State
from supervisor.system import proc
from tests.conftest import MakeTree
from tests.support import bad_tasks, tasks
from tests.support.scraping import Scraped, look
from tests.support.shared import MODULES, ended, written
from tests.support.tree import RunningTree
from tests.support.waiting import until

ADD, FAIL, LOOP = (f"tests.support.tasks.{name}" for name in ("add", "fail", "endless_loop"))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningTree, Scraped]]:
    """A tree that has done a few things of each kind, and what is told of it."""
    tree = RunningTree(tmp_path_factory.mktemp("metrics"), tasks=MODULES, cpus="off", crash_budget=1, cancel_grace=0.2)
    try:
        tree.start()
        play(tree)
        yield tree, look(tree)
    finally:
        tree.close()


def play(tree: RunningTree) -> None:
    queue = tree.queue
    ids = [tasks.add.on(queue).options(queue="sums").delay(number, 1).id for number in range(20)]
    ids += [tasks.fail.on(queue).options(max_retries=1).delay().id for _ in range(2)]
    ids.append(tasks.endless_loop.on(queue).options(timeout=0.2, max_retries=0).delay().id)
    ids.append(tasks.kill_myself.on(queue).delay(signal.SIGKILL).id)
    ids.append(tasks.leave.on(queue).delay(3).id)
    ids.append(tasks.take_memory.on(queue).options(memory_limit="100M").delay(1000).id)
    for task_id in ids:
        ended(queue, task_id)
    path = tree.folder / "deaf"
    deaf = bad_tasks.refuse_to_be_cancelled.on(queue).delay(str(path))
    written(path)
    deaf.cancel()
    ended(queue, deaf.id)
    tree.wait_ready(2)
    before = set(tree.worker_pids())
    recycle(Directory(tree.dir), 0)
    until(lambda: not before & set(tree.worker_pids()), "both workers to be replaced", 30)
    tree.wait_ready(2)


def test_tasks_are_counted_by_queue_name_and_outcome(played: tuple[RunningTree, Scraped]) -> None:
    _, found = played
    assert found.by("outcome", "tasks_total", queue="sums", task=ADD) == {"succeeded": 20}
    assert found.by("outcome", "tasks_total", queue="default") == {
        "failed": 2,
        "timed_out": 1,
        "lost": 3,
        "cancelled": 1,
    }
    assert found.by("cause", "attempts_failed_total") == {
        "exception": 4,
        "timeout": 1,
        "signal": 1,
        "exit": 1,
        "memory": 1,
        "cancelled": 1,
    }
    assert found.value("tasks_total", queue="default", task=FAIL, outcome="expired") == 0, "it is there from the start"
    assert found.value("dead_letters") == 6


def test_deaths_kills_and_recycles_are_counted_by_cause(played: tuple[RunningTree, Scraped]) -> None:
    _, found = played
    assert found.by("cause", "worker_deaths_total") == {
        "timeout": 1,
        "signal": 1,
        "exit": 1,
        "memory": 1,
        "cancelled": 1,
    }
    assert found.by("reason", "worker_recycles_total") == {"asked": 2}
    assert found.by("cause", "kill_lateness_seconds_count") == {"timeout": 1, "cancelled": 1}
    for cause in ("timeout", "cancelled"):
        late = found.value("kill_lateness_seconds_sum", cause=cause)
        assert late is not None
        assert 0 < late < 5
    assert found.by("role", "process_restarts_total") == {}


def test_the_counts_of_each_histogram_rise_to_their_sum(played: tuple[RunningTree, Scraped]) -> None:
    _, found = played
    for name, task, count in (
        ("task_wait_seconds", ADD, 20),
        ("task_run_seconds", ADD, 20),
        ("task_wait_seconds", FAIL, 4),
        ("task_run_seconds", FAIL, 4),
        ("task_run_seconds", LOOP, 1),
    ):
        buckets = found.buckets(name, task=task)
        assert buckets == sorted(buckets)
        assert buckets[-1] == found.value(f"{name}_count", task=task) == count
    ran = found.value("task_run_seconds_sum", task=LOOP)
    assert ran is not None
    below = {float(each.labels["le"]): each.value for each in found.named("task_run_seconds_bucket", task=LOOP)}
    assert all(count == (ran < bound) for bound, count in below.items()), "one attempt, in its place"
    commits = found.buckets("journal_commit_seconds")
    assert commits == sorted(commits)
    assert commits[-1] == found.value("journal_commit_seconds_count")
    assert commits[-1] > 25
    spent = found.value("journal_commit_seconds_sum")
    assert spent is not None
    assert 0 < spent < 60


def test_the_processes_the_disk_and_the_build_are_told(played: tuple[RunningTree, Scraped]) -> None:
    tree, found = played
    assert (found.value("up"), found.value("broker_up"), found.value("accepting"), found.value("draining")) == (
        1,
        1,
        1,
        0,
    )
    assert found.by("state", "workers") == {"idle": 2}
    assert found.value("workers_wanted") == 2
    assert set(found.by("seat", "worker_resident_memory_bytes")) == {"0", "1"}
    assert set(found.by("role", "process_resident_memory_bytes")) == {"guardian", "master", "broker", "template"}
    assert all(size > 5e6 for size in found.by("seat", "worker_resident_memory_bytes").values())
    database, wal = tree.dir / "journal.db", tree.dir / "journal.db-wal"

    def sizes() -> bool:  # what is counted is written down now and then
        now = look(tree)
        told = [now.value("journal_size_bytes", part=part) for part in ("database", "wal")]
        return told == [path.stat().st_size for path in (database, wal)]

    until(sizes, "the sizes of the journal's files")
    started = found.value("start_time_seconds")
    assert started is not None
    assert 0 < time.time() - started < 600
    (build,) = found.named("build_info")
    assert {"version", "python", "sqlite", "dir"} == set(build.labels)


def test_no_label_holds_an_id_a_pid_or_words_without_end(played: tuple[RunningTree, Scraped]) -> None:
    tree, found = played
    pids = {str(pid) for pid in tree.worker_pids()}
    for sample in found.samples:
        assert sample.labels["dir"] == str(tree.dir)
        assert not pids & set(sample.labels.values())
        assert all(len(value) < 100 for value in sample.labels.values())


def test_what_waits_is_told_by_queue_and_state(make_tree: MakeTree) -> None:
    tree = make_tree(workers=2, cpus="off")
    queue, path = tree.queue, tree.folder / "pid"
    limited = TaskConfig(queue="deep", limit=1, limit_key="k", timeout=500)
    first = queue.submit(tasks.sleep, 600, str(path), config=limited)
    written(path)
    queue.submit(tasks.sleep, 600, config=limited)
    queue.submit(tasks.add, 1, 1, config=TaskConfig(queue="deep", delay=600))
    queue.submit(tasks.add, 1, 1, config=TaskConfig(queue="deep", parent=first))
    broken = tasks.fail.on(queue).options(queue="deep", max_retries=1, retry_delay=600).delay()
    until(lambda: broken.state() is State.RETRYING, "a task to wait for its next attempt")
    queue.pause("later")
    queue.submit(tasks.add, 1, 1, config=TaskConfig(queue="later"))

    def states() -> dict[str, float]:
        return look(tree).by("state", "queue_tasks", queue="deep")

    one_each = {"running": 1, "limited": 1, "scheduled": 1, "blocked": 1, "retrying": 1}
    until(lambda: states() == one_each, "one of each")
    found = look(tree)
    assert found.by("state", "queue_tasks", queue="later") == {"ready": 1}
    assert found.by("queue", "queue_paused") == {"later": 1}
    assert set(found.by("queue", "queue_oldest_age_seconds")) == {"deep", "later"}
    assert found.by("state", "workers") == {"busy": 1, "idle": 1}
    queue.cancel(first)
    ended(queue, first)
    until(lambda: states().get("blocked") is None and states().get("limited") is None, "what it held up to go on")


def test_a_scrape_goes_on_while_a_broker_is_replaced_and_its_counts_begin_anew(make_tree: MakeTree) -> None:
    tree = make_tree(cpus="off")
    for handle in tasks.add.on(tree.queue).map([(number, 1) for number in range(30)]):
        handle.result(timeout=30)
    assert look(tree).by("outcome", "tasks_total") == {"succeeded": 30}
    uptime = tree.queue.stats().uptime
    until(lambda: tree.queue.stats().uptime > uptime + 1.5, "them to be written down, which they are each second")
    os.kill(tree.pid_of("broker"), signal.SIGKILL)

    def replaced() -> Scraped | None:
        found = look(tree)
        assert found.value("up") == 1
        return found if found.value("process_restarts_total", role="broker") and found.value("broker_up") else None

    found = until(replaced, "another broker")
    assert found.by("outcome", "tasks_total") == {}, "counted from this broker's start"
    assert tree.queue.stats().ended == {"succeeded": 30}, "which is not what was counted ever"
    assert tasks.add.on(tree.queue).delay(1, 1).result(timeout=30) == 2
    assert look(tree).by("outcome", "tasks_total") == {"succeeded": 1}
    assert look(tree).value("task_run_seconds_count", task=ADD) == 1


def test_without_a_broker_nothing_is_told_of_tasks_and_nothing_old(make_tree: MakeTree) -> None:
    """A damaged journal: no broker gets up."""
    tree = make_tree(cpus="off", durability="full")
    assert tasks.add.on(tree.queue).delay(1, 1).result(timeout=30) == 2
    tree.stop()
    journal = tree.dir / "journal.db"
    journal.write_bytes(b"this is no database" * 1000)
    tree.start(wait=False)

    def down() -> Scraped | None:
        found = look(tree)
        return found if found.value("up") and (found.value("process_restarts_total", role="broker") or 0) > 1 else None

    found = until(down, "a master without a broker", 30)
    assert found.value("broker_up") == 0
    assert not found.series() & {"supervisor_tasks_total", "supervisor_queue_tasks", "supervisor_dead_letters"}


def test_of_a_supervisor_that_is_stopped_only_the_disk_is_told(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(cpus="off")
    ended(tree.queue, tasks.fail.on(tree.queue).options(max_retries=0).delay().id)
    tree.stop()
    found = look(tree)
    assert (found.value("up"), found.value("broker_up"), found.value("dead_letters")) == (0, 0, 1)
    assert {name.removeprefix("supervisor_") for name in found.series()} == {
        *("up", "broker_up", "dead_letters", "collect_seconds"),
        *("journal_size_bytes", "disk_available_bytes", "disk_size_bytes"),
    }
    nowhere = look(tmp_path / "nowhere")
    assert (nowhere.value("up"), len(nowhere.series())) == (0, 3)


def test_restarts_of_master_and_template_are_counted(make_tree: MakeTree) -> None:
    tree = make_tree(cpus="off")
    os.kill(tree.pid_of("template"), signal.SIGKILL)
    until(lambda: look(tree).by("role", "process_restarts_total") == {"template": 1}, "another template")
    master = tree.pid_of("master")
    os.kill(master, signal.SIGKILL)
    until(lambda: proc.state(master) in (None, "Z"), "its end")
    until(lambda: look(tree).by("role", "process_restarts_total") == {"master": 1}, "another master", 20)
    guardian = tree.pid_of("guardian")
    os.kill(guardian, signal.SIGKILL)
    both = {"master": 1, "guardian": 1}
    until(lambda: look(tree).by("role", "process_restarts_total") == both, "another guardian", 20)
    tree.wait_ready()
