"""arq."""

from __future__ import annotations

from typing import Any, ClassVar

from arq import create_pool
from arq.connections import RedisSettings

from scripts.benchmarks import marks
from scripts.benchmarks.peer import REDIS, WORKERS
from scripts.benchmarks.peers.asyncio_base import AsyncioPeer

SETTINGS = RedisSettings(unix_socket_path=REDIS)


async def noop(context: dict[str, Any], number: int) -> int:
    """Does nothing."""
    return marks.note(number)


class WorkerSettings:
    """What its worker reads."""

    functions: ClassVar[list[Any]] = [noop]
    redis_settings = SETTINGS
    max_jobs = 100
    keep_result = 3600


_pool: list[Any] = []


async def _connect() -> None:
    _pool.append(await create_pool(SETTINGS))


async def _disconnect() -> None:
    await _pool[0].aclose()


PEER = AsyncioPeer(
    (_connect, _disconnect),
    lambda number: _pool[0].enqueue_job("noop", number),
    lambda job: job.result(timeout=60),
    [["arq", "scripts.benchmarks.peers.arq_redis.WorkerSettings"]] * WORKERS,
    "two processes, 100 jobs at a time in each; results in Redis",
)
