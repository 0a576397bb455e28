"""One sample of what every task pays, as JSON: run once a round for each of two versions (see :mod:`pair`)."""

from __future__ import annotations

import json
import statistics
import time

from scripts.measuring import workload
from scripts.measuring.rates import drain_rate, eight_processes, submit_rate
from scripts.measuring.tree import Tree, running

TASKS = 40_000


def start_delay(tree: Tree) -> float:
    """Seconds from a submit to the first line of the task, on an idle queue: the median of 300."""
    task = workload.first_line.on(tree.queue)
    delays: list[float] = []
    for _ in range(300):
        start = time.monotonic_ns()
        delays.append((task.delay().result(timeout=10) - start) / 1e9)
    return statistics.median(delays)


def sample() -> dict[str, float]:
    """Rates a second; but the delay as its inverse, so that more is better everywhere."""
    found: dict[str, float] = {}
    for durability in ("normal", "off"):
        with running(workers=2, durability=durability) as tree:
            found[f"no-op tasks, drain of a filled queue, {durability}"] = drain_rate(tree, TASKS)[0]
    with running(workers=1, durability="normal") as tree:
        found["submit → start, idle, normal (starts a second)"] = 1 / start_delay(tree)
        found["acknowledged submits, one by one, normal"] = submit_rate(tree.queue, 1.0)
        found["  from 8 processes at once"] = eight_processes(tree)
        start = time.perf_counter()
        tree.queue.submit_many(workload.noop, [()] * 20_000)
        found["  in batches of 1,000"] = 20_000 / (time.perf_counter() - start)
    return found


if __name__ == "__main__":
    print(json.dumps(sample()))
