"""Where one broker has enough to do: more and more workers, each with a task that only sleeps.

A stand-in for a machine with more cores: what sleeps needs none, so that many workers are busy on two. What they cost
besides is on the same two cores, so the real limit of the broker is not below what is seen here.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from scripts.measuring import workload
from scripts.measuring.limits import cpu
from scripts.measuring.rates import succeeded
from scripts.measuring.tree import running


@dataclass(frozen=True, slots=True)
class Crowd:
    """What so many workers came to."""

    workers: int
    rate: float
    """Tasks a second."""
    ideal: float
    """If nothing but the sleeping took time."""
    broker: float
    """The share of a core that the broker used."""


def with_workers(count: int, sleep: float, seconds: float) -> Crowd:
    """Measure for so many seconds."""
    ideal = count / sleep
    tasks = int(ideal * seconds) + count
    with running(workers=count, durability="normal", cpus="off", queue_limit=4_000_000) as tree:
        tree.queue.pause("default")
        tree.queue.submit_many(workload.nap, [(sleep,)] * tasks)
        tree.queue.resume("default")
        time.sleep(1.0)  # all workers are at it, and it is known how long it takes
        began, done, used = time.perf_counter(), succeeded(tree.queue), cpu(tree.broker())
        time.sleep(seconds / 2)
        spent = time.perf_counter() - began
        return Crowd(count, (succeeded(tree.queue) - done) / spent, ideal, (cpu(tree.broker()) - used) / spent)
