"""SAQ with Redis."""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis
from saq.queue.redis import RedisQueue

from scripts.benchmarks import marks
from scripts.benchmarks.peer import REDIS, WORKERS
from scripts.benchmarks.peers.asyncio_base import AsyncioPeer

queue: Any = RedisQueue(Redis(unix_socket_path=REDIS))


async def noop(context: dict[str, Any], *, number: int) -> int:
    """Does nothing."""
    return marks.note(number)


settings: dict[str, Any] = {"queue": queue, "functions": [noop], "concurrency": 10}


async def _connect() -> None:
    """Connect, and keep the sweeper away.

    It takes a task for stuck that a worker has taken from the list and not yet marked, as it finds some at the start
    of a full queue, and runs it again: a run would be thrown away for it.
    """
    await queue.connect()
    await queue.redis.set(queue.namespace("sweep"), 1, ex=3600)


async def _result(job: Any) -> object:
    await job.refresh(until_complete=60)
    return job.result or 0  # of 0 it keeps nothing


PEER = AsyncioPeer(
    (_connect, queue.disconnect),
    lambda number: queue.enqueue("noop", number=number, ttl=3600),
    _result,
    [["saq", "scripts.benchmarks.peers.saq_redis.settings", "--workers", str(WORKERS), "--quiet"]],
    "two processes, 10 jobs at a time in each; results in Redis",
)
