"""taskiq with Redis."""

from __future__ import annotations

from typing import Any

from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

from scripts.benchmarks import marks
from scripts.benchmarks.peer import REDIS, WORKERS
from scripts.benchmarks.peers.asyncio_base import AsyncioPeer

_URL = f"unix://{REDIS}"
broker: Any = ListQueueBroker(_URL).with_result_backend(RedisAsyncResultBackend(_URL))


@broker.task(task_name="noop")
async def noop(number: int) -> int:
    """Does nothing."""
    return marks.note(number)


async def _result(task: Any) -> object:
    found: object = (await task.wait_result(timeout=60)).return_value
    return found


_MODULE = "scripts.benchmarks.peers.taskiq_list:broker"
PEER = AsyncioPeer(
    (broker.startup, broker.shutdown),
    noop.kiq,
    _result,
    [["taskiq", "worker", _MODULE, "--workers", str(WORKERS), "--log-level", "ERROR"]],
    "two processes, a list in Redis; results in Redis",
)
