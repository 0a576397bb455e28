"""How fast tasks go in and are done. By what is public alone, so that other versions can be measured by it too."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Barrier, Process, SimpleQueue
from typing import Any

from scripts.measuring import workload
from scripts.measuring.tree import Tree
from supervisor import TaskQueue


def numbers(queue: TaskQueue) -> dict[str, Any]:
    """The queue's numbers, which earlier versions give as a dict."""
    found: Any = queue.stats()
    plain: dict[str, Any] = found if isinstance(found, dict) else found.to_dict()
    return plain


def submit_rate(queue: TaskQueue, seconds: float) -> float:
    """Submits a second, one after the other."""
    task = workload.noop.on(queue).options(delay=3600)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        _ = task.delay()
        count += 1
    return count / (time.perf_counter() - start)


def succeeded(queue: TaskQueue) -> int:
    """How many tasks have."""
    found: int = numbers(queue)["ended"].get("succeeded", 0)
    return found


def together(tree: Tree, count: int, seconds: float = 1.0) -> float:
    """Submits a second from so many processes together, from the moment on that all of them are there."""
    there = Barrier(count)
    rates: SimpleQueue[float] = SimpleQueue()

    def submit() -> None:
        numbers(tree.queue)  # connects
        there.wait()
        rates.put(submit_rate(tree.queue, seconds))

    processes = [Process(target=submit) for _ in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return sum(rates.get() for _ in processes)


def drain_rate(tree: Tree, tasks: int) -> tuple[float, float]:
    """Tasks a second of a queue that was filled while its workers were held up, and counting the filling."""
    ended = succeeded(tree.queue)
    gate = [tree.queue.submit(time.sleep, 0.001) for _ in range(20)]
    tree.queue.wait(gate[-1])
    pids = [worker["pid"] for worker in tree.status()["workers"]]
    holds = [tree.queue.submit(time.sleep, max(0.3, tasks / 25_000)) for _ in pids]
    start = time.perf_counter()
    ids = tree.queue.submit_many(workload.noop, [()] * tasks)
    filled = time.perf_counter() - start
    for hold in holds:
        tree.queue.wait(hold)
    start = time.perf_counter()
    done = succeeded(tree.queue)
    wanted = ended + tasks + len(gate) + len(holds)
    queues: Any = getattr(tree.queue, "queues", list)  # earlier versions have none
    while sum(each["ready"] for each in queues()):
        time.sleep(0.01)  # asking for this costs the broker next to nothing
    while (count := succeeded(tree.queue)) < wanted:
        time.sleep(0.01)
    assert count == wanted
    left = count - done
    with ThreadPoolExecutor(1) as reader:
        assert reader.submit(tree.queue.get_result, ids[-1]).result() is not None
    spent = time.perf_counter() - start
    return left / spent, tasks / (filled + tasks / (left / spent))
