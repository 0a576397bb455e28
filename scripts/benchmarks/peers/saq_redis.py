"""SAQ with Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from redis.asyncio import Redis
from saq.queue.redis import RedisQueue

from scripts.benchmarks import marks
from scripts.benchmarks.peer import REDIS, WORKERS, programs

queue: Any = RedisQueue(Redis(unix_socket_path=REDIS))


async def noop(context: dict[str, Any], *, number: int) -> int:
    """Does nothing."""
    return marks.note(number)


settings: dict[str, Any] = {"queue": queue, "functions": [noop], "concurrency": 10}


class Peer:
    """It is for asyncio: an event loop is kept for it here."""

    durability = "none: in Redis' memory"
    settings = "two processes, 10 jobs at a time in each; results in Redis"

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._jobs: dict[int, Any] = {}

    @contextmanager
    def open(self) -> Iterator[None]:
        """Redis runs already."""
        self._loop.run_until_complete(queue.connect())
        yield
        self._loop.run_until_complete(queue.disconnect())

    def submit(self, numbers: Iterable[int]) -> None:
        """A hundred at a time: it has no way for many."""
        found = list(numbers)

        async def put(part: list[int]) -> list[Any]:
            return await asyncio.gather(*(queue.enqueue("noop", number=number, ttl=3600) for number in part))

        for first in range(0, len(found), 100):
            part = found[first : first + 100]
            self._jobs.update(zip(part, self._loop.run_until_complete(put(part)), strict=True))

    def submit_one(self, number: int) -> None:
        """As an application does."""
        self._loop.run_until_complete(queue.enqueue("noop", number=number))

    @contextmanager
    def work(self) -> Iterator[None]:
        """Two processes."""
        with programs(["saq", "scripts.benchmarks.peers.saq_redis.settings", "--workers", str(WORKERS), "--quiet"]):
            yield

    def result(self, number: int) -> object:
        """From Redis."""

        async def wait() -> object:
            job = self._jobs[number]
            await job.refresh(until_complete=60)
            return job.result or 0  # of 0 it keeps nothing

        return self._loop.run_until_complete(wait())


PEER = Peer()
