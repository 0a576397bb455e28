"""Pebble."""

from __future__ import annotations

import pebble

from scripts.benchmarks import gate, marks
from scripts.benchmarks.peer import WORKERS
from scripts.benchmarks.peers.pool_base import PoolPeer

PEER = PoolPeer(
    lambda: pebble.ProcessPool(WORKERS, initializer=gate.wait),
    lambda pool, number: pool.schedule(marks.note, args=(number,)),
    lambda found: found.result(60),
    "schedule, one future a task",
)
