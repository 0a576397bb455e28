"""multiprocessing.Pool."""

from __future__ import annotations

import multiprocessing

from scripts.benchmarks import gate, marks
from scripts.benchmarks.peer import WORKERS
from scripts.benchmarks.peers.pool_base import PoolPeer

PEER = PoolPeer(
    lambda: multiprocessing.Pool(WORKERS, gate.wait),
    lambda pool, number: pool.apply_async(marks.note, (number,)),
    lambda found: found.get(60),
    "apply_async, one result a task",
)
