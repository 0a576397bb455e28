"""How costs grow: with the number of tasks, of submitters, and of bytes. They are to grow as the work does."""

from __future__ import annotations

import statistics
import time

from scripts.measuring import workload
from scripts.measuring.rates import drain_rate, together
from scripts.measuring.tree import running


def by_tasks(counts: list[int]) -> dict[int, float]:
    """Microseconds a task, of a queue with so many that is drained."""
    found: dict[int, float] = {}
    for count in counts:
        with running(workers=2, durability="normal", cpus="off", queue_limit=4_000_000) as tree:
            drain_rate(tree, 10_000)
            found[count] = 1e6 / statistics.median(drain_rate(tree, count)[0] for _ in range(max(1, 60_000 // count)))
    return found


def by_submitters(counts: list[int]) -> dict[int, float]:
    """Microseconds that a submit takes out of all of them together, from so many processes."""
    found: dict[int, float] = {}
    for count in counts:
        with running(workers=1, durability="normal", cpus="off", queue_limit=4_000_000) as tree:
            found[count] = 1e6 / together(tree, count, 2.0)
    return found


def by_bytes(sizes: list[int], rounds: int = 60) -> dict[int, float]:
    """Milliseconds from a submit with an argument of so many bytes to its result, which is the argument."""
    found: dict[int, float] = {}
    with running(workers=1, durability="normal", cpus="off") as tree:
        task = workload.same.on(tree.queue)
        for size in sizes:
            data = b"x" * size
            times: list[float] = []
            for _ in range(rounds):
                start = time.perf_counter()
                task.delay(data).result(timeout=30)
                times.append(time.perf_counter() - start)
            found[size] = 1e3 * statistics.median(times)
    return found
