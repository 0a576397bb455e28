"""A deep queue beside a shallow one: what submits and claims cost, what a task weighs, how long a restart takes."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from scripts.measuring import workload
from scripts.measuring.rates import submit_rate, succeeded
from scripts.measuring.tree import Tree, running
from supervisor import TaskConfig
from supervisor.system import proc

_SECONDS = 0.5
_SETTINGS = {"workers": 2, "durability": "normal", "cpus": "off", "queue_limit": 4_000_000}


@dataclass(frozen=True, slots=True)
class Pair:
    """What a deep queue came to beside a shallow one; slice by slice in turn, each list the shallow one's first."""

    submits: tuple[list[float], list[float]]
    """A second, one by one."""
    claims: tuple[list[float], list[float]]
    """Tasks a second that are handed out and done."""
    bytes_each: float
    """Memory of the broker for each task that waits in the deep one."""
    restarts: tuple[float, float]
    """Seconds from the kill of the broker until another has taken a task in and had it run, before all others."""


def beside(few: int, many: int, rounds: int) -> Pair:
    """Measure two queues with so many tasks that wait and are ready. Both trees are there all the time, since what
    one minute of this machine gives is not what the next one gives.
    """
    submits: tuple[list[float], list[float]] = ([], [])
    claims: tuple[list[float], list[float]] = ([], [])
    with running(**_SETTINGS) as shallow, running(**_SETTINGS) as deep:
        _fill(shallow, few)
        each = _fill(deep, many)
        for number in range(rounds):
            for place in (0, 1) if number % 2 else (1, 0):
                tree = (shallow, deep)[place]
                submits[place].append(submit_rate(tree.queue, _SECONDS))
                if tree is shallow:  # it is to stay so
                    tree.queue.clear()
                    tree.queue.submit_many(workload.noop, [()] * few)
                claims[place].append(_drain(tree, few))
                tree.queue.submit_many(workload.noop, [()] * few)
        return Pair(submits, claims, each, (_restart(shallow), _restart(deep)))


def _fill(tree: Tree, depth: int) -> float:
    """With tasks that wait; what each takes of the broker's memory."""
    tree.queue.submit_many(workload.noop, [()] * 2_000)  # so that it is known how short they are
    _wait_done(tree, 2_000)
    tree.queue.pause("default")
    before = proc.resident_bytes(tree.broker())
    tree.queue.submit_many(workload.noop, [()] * depth)
    return (proc.resident_bytes(tree.broker()) - before) / depth


def _drain(tree: Tree, tasks: int) -> float:
    done = succeeded(tree.queue)
    start = time.perf_counter()
    tree.queue.resume("default")
    _wait_done(tree, done + tasks)
    spent = time.perf_counter() - start
    rate = (succeeded(tree.queue) - done) / spent
    tree.queue.pause("default")
    return rate


def _restart(tree: Tree) -> float:
    """The queue is not paused then, so that another broker can hand out."""
    tree.queue.resume("default")
    start = time.perf_counter()
    os.kill(tree.broker(), signal.SIGKILL)
    workload.first_line.on(tree.queue).options(priority=1000).delay().result(timeout=60)
    return time.perf_counter() - start


def _wait_done(tree: Tree, count: int) -> None:
    while succeeded(tree.queue) < count:
        time.sleep(0.002)


def same_second(tasks: int) -> float:
    """Seconds from the moment for which so many tasks were scheduled until the last of them has started."""
    with running(workers=2, durability="normal", cpus="off") as tree:
        due = time.time() + 3.0 + tasks / 20_000
        ids = tree.queue.submit_many(
            workload.noop, [()] * tasks, config=TaskConfig(eta=datetime.fromtimestamp(due, UTC))
        )
        if time.time() > due:
            raise RuntimeError("they were not submitted in time")
        _wait_done(tree, tasks)
        records = [tree.queue.get_task(task_id) for task_id in ids[:: max(1, tasks // 500)] + ids[-1:]]
        return max(record.started_at for record in records if record and record.started_at) - due
