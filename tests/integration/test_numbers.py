"""What stats(), workers() and active() say, beside what was done; and that it outlives the death of a broker."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor import Cause, QueueStats, State, TaskQueue
from supervisor.system import proc
from tests.conftest import MakeTree
from tests.support import tasks
from tests.support.shared import ended, running, written
from tests.support.tree import RunningTree
from tests.support.waiting import until

WAIT = 60.0
FAIL, ADD, SLEEP = "tests.support.tasks.fail", "tests.support.tasks.add", "tests.support.tasks.sleep"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with running(tmp_path_factory.mktemp("numbers")) as found:
        yield found


def test_every_end_is_counted_by_queue_and_by_name(tree: RunningTree) -> None:
    queue = tree.queue
    before = queue.stats()
    ids = [tasks.add.on(queue).options(queue="sums").delay(number, 1).id for number in range(20)]
    ids += [tasks.fail.on(queue).options(queue="faults", max_retries=2).delay().id]
    ids += [tasks.kill_myself.on(queue).options(queue="faults", crash_budget=2).delay(signal.SIGKILL).id]
    ids += [tasks.endless_loop.on(queue).options(queue="faults", timeout=0.2, max_retries=0).delay().id]
    states = [ended(queue, each).state for each in ids]
    assert states == [State.SUCCEEDED] * 20 + [State.FAILED, State.LOST, State.TIMED_OUT]
    stats = queue.stats()
    sums, faults = stats.queues["sums"], stats.queues["faults"]
    assert (sums.succeeded, sums.failed, sums.executed, sums.error_rate) == (20, 0, 20, 0.0)
    assert (sums.wait.count, sums.run.count) == (20, 20)
    assert faults.ended == {"failed": 1, "lost": 1, "timed_out": 1}
    assert faults.causes == {"exception": 3, "signal": 2, "timeout": 1}
    assert (faults.failed, faults.executed, faults.error_rate) == (3, 6, 1.0)
    assert stats.tasks[FAIL].causes == {"exception": 3}
    assert stats.tasks["tests.support.tasks.endless_loop"].run.p50 == pytest.approx(0.2, abs=0.15)
    assert stats.total_executed - before.total_executed == 26
    assert stats.error_rate == stats.total.failed / (stats.total.failed + stats.total.succeeded)
    assert stats.total.last_minute >= 26
    assert stats.throughput > 0


def test_what_waits_and_runs_is_counted_as_it_is_now(tree: RunningTree, tmp_path: Path) -> None:
    queue = tree.queue
    paths = [tmp_path / "one", tmp_path / "two"]
    long = [tasks.sleep.on(queue).options(queue="deep", timeout=500).delay(600, str(path)) for path in paths]
    pids = {int(written(path)) for path in paths}
    waiting = [tasks.add.on(queue).options(queue="deep").delay(1, 1) for _ in range(3)]
    delayed = tasks.add.on(queue).options(queue="deep", delay=600).delay(1, 1)
    until(lambda: queue.stats().queues["deep"].depth == 3, "three to wait")
    deep = queue.stats().queues["deep"]
    assert (deep.running, deep.delayed) == (2, 1)
    assert deep.oldest_age is not None
    assert deep.last_claim_age is not None
    assert deep.last_claim_age >= deep.oldest_age, "those that wait came after those that run"
    assert 0 < deep.oldest_age < 60
    assert queue.stats().tasks[SLEEP].oldest_age is None
    stats = queue.stats()
    assert (stats.busy, stats.workers, stats.accepting, stats.draining) == (2, 2, True, False)
    assert stats.peak_concurrency == 2
    active = queue.active()
    assert {run.id for run in active} == {handle.id for handle in long}
    assert {run.worker for run in active} == pids
    for run in active:
        assert (run.name, run.queue, run.attempt, run.limit, run.soft_limit) == (SLEEP, "deep", 1, 500.0, None)
        assert run.elapsed is not None
        assert 0 <= run.elapsed < 60
        assert run.started_at == pytest.approx(time.time(), abs=60)
    assert queue.active_count() == 2
    for task_id in [each.id for each in [*waiting, delayed]] + [each.id for each in long]:
        queue.cancel(task_id)
        ended(queue, task_id)
    assert queue.stats().queues["deep"].ended == {"cancelled": 6}
    assert (queue.active(), queue.active_count()) == ([], 0)


def test_workers_are_told_with_what_they_use(tree: RunningTree, tmp_path: Path) -> None:
    queue = tree.queue
    path = tmp_path / "pid"
    queue.workers()
    handle = tasks.sleep.on(queue).options(soft_timeout=200).delay(600, str(path))
    pid = int(written(path))
    busy = next(worker for worker in queue.workers() if worker.pid == pid)
    assert (busy.task_id, busy.task_name, busy.limit, busy.waiting) == (handle.id, SLEEP, 300.0, False)
    assert busy.soft_limit == 200.0
    assert busy.elapsed is not None
    assert busy.rss > 5_000_000
    assert busy.cpus
    assert 0 <= busy.cpu_percent < 10_000
    os.kill(pid, signal.SIGKILL)

    def replaced() -> bool:
        found = [worker for worker in queue.workers() if worker.seat == busy.seat and worker.pid != pid]
        return [worker.last_death for worker in found] == [Cause.SIGNAL]

    until(replaced, "its successor, which tells why it died", 20.0)
    assert {worker.seat for worker in queue.workers()} == {0, 1}
    handle.cancel()
    ended(queue, handle.id)
    done = sum(worker.tasks_done for worker in queue.workers())
    assert tasks.add.on(queue).delay(1, 1).result(timeout=WAIT) == 2
    until(lambda: sum(worker.tasks_done for worker in queue.workers()) == done + 1, "one task more")


def test_the_tree_is_measured(tree: RunningTree) -> None:
    queue = TaskQueue(tree.dir)
    stats = queue.stats()
    tree.remember()
    assert stats.processes >= 6  # guardian, master, broker, template, two workers
    assert stats.rss > 20_000_000
    assert stats.cpu_seconds > 0
    assert 0 < stats.uptime < 600
    assert stats.pid == tree.pid_of("broker")
    assert queue.stats().cpu_percent >= 0
    queue.close()


def test_it_is_plain_data_and_asyncio_has_it_too(tree: RunningTree) -> None:
    queue = tree.queue

    async def asked() -> tuple[QueueStats, int, int, list[object]]:
        workers, active = await queue.aworkers(), await queue.aactive()
        accepts = await queue.ais_accepting(), await queue.ais_shutting_down(), await queue.aactive_count()
        return await queue.astats(), len(workers), len(active), [*accepts]

    stats, workers, active, condition = asyncio.run(asked())
    assert (workers, active, condition) == (2, 0, [True, False, 0])
    plain = json.loads(json.dumps(stats.to_dict()))
    assert plain["total"]["succeeded"] == stats.total.succeeded
    assert plain["total_executed"] == stats.total_executed


def test_totals_outlive_the_broker_and_the_tree(make_tree: MakeTree) -> None:
    tree = make_tree(cpus="off")
    queue = tree.queue
    for handle in tasks.add.on(queue).map([(number, 1) for number in range(50)]):
        handle.result(timeout=WAIT)
    ended(queue, tasks.fail.on(queue).options(max_retries=0).delay().id)
    first = queue.stats()
    broker = first.pid

    def saved() -> bool:
        return proc.state(broker) is None or queue.stats().uptime > first.uptime + 1.5

    until(saved, "them to be written down, which they are each second", 10.0)
    os.kill(broker, signal.SIGKILL)
    until(lambda: queue.stats().pid != broker, "another broker")
    second = queue.stats()
    assert second.ended == {"succeeded": 50, "failed": 1}
    assert (second.total_executed, second.peak_concurrency) == (51, first.peak_concurrency)
    assert second.tasks[ADD].run.p50 == first.tasks[ADD].run.p50
    assert tasks.add.on(queue).delay(1, 1).result(timeout=WAIT) == 2
    tree.stop()
    tree.start()
    assert queue.stats().ended == {"succeeded": 51, "failed": 1}, "at its end it writes down all of it"
