"""What every task pays, a short slice at a time: ``python -m scripts.measuring.sample`` reads the name of a slice and
answers with a rate, again and again. Run once for each of two versions (see :mod:`pair`), which take turns.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from scripts.measuring import workload
from scripts.measuring.rates import drain_rate, submit_rate, together
from scripts.measuring.tree import Tree, running

TASKS = 8_000
STARTS = 100
SECONDS = 0.3
BATCH = 5_000


def starts(tree: Tree) -> float:
    """From a submit to the first line of the task, on an idle queue: the inverse, so that more is better everywhere."""
    task = workload.first_line.on(tree.queue)
    delays: list[float] = []
    for _ in range(STARTS):
        start = time.monotonic_ns()
        delays.append((task.delay().result(timeout=10) - start) / 1e9)
    return 1 / statistics.median(delays)


def batches(tree: Tree) -> float:
    """Tasks a second that go in a thousand at a time."""
    start = time.perf_counter()
    tree.queue.submit_many(workload.noop, [()] * BATCH, config=workload.noop.options(delay=3600).config)
    return BATCH / (time.perf_counter() - start)


def slices(stack: ExitStack) -> dict[str, Callable[[], float]]:
    """What may be asked for, each of a tree that is kept for it."""
    normal = stack.enter_context(running(workers=2, durability="normal"))
    off = stack.enter_context(running(workers=2, durability="off"))
    idle = stack.enter_context(running(workers=1, durability="normal"))
    held = stack.enter_context(running(workers=1, durability="normal"))
    return {
        "no-op tasks, drain of a filled queue, normal": lambda: drain_rate(normal, TASKS)[0],
        "no-op tasks, drain of a filled queue, off": lambda: drain_rate(off, TASKS)[0],
        "submit → start, idle, normal (starts a second)": lambda: starts(idle),
        "acknowledged submits, one by one, normal": lambda: submit_rate(held.queue, SECONDS),
        "  from 8 processes at once": lambda: together(held, 8, 2 * SECONDS),
        "  in batches of 1,000": lambda: batches(held),
    }


def main() -> None:
    """Until nobody asks any more."""
    with ExitStack() as stack:
        found = slices(stack)
        print(*found, sep="\t", flush=True)
        for line in sys.stdin:
            print(found[line.rstrip("\n")](), flush=True)


if __name__ == "__main__":
    main()
