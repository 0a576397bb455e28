"""loky."""

from __future__ import annotations

import loky

from scripts.benchmarks import gate, marks
from scripts.benchmarks.peer import WORKERS
from scripts.benchmarks.peers.pool_base import PoolPeer

PEER = PoolPeer(
    lambda: loky.get_reusable_executor(WORKERS, initializer=gate.wait),
    lambda pool, number: pool.submit(marks.note, number),
    lambda found: found.result(60),
    "submit, one future a task",
)
