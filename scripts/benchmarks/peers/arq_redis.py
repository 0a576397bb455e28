"""arq."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from arq import create_pool
from arq.connections import RedisSettings

from scripts.benchmarks import marks
from scripts.benchmarks.peer import REDIS, WORKERS, programs

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


class Peer:
    """It is for asyncio: an event loop is kept for it here."""

    durability = "none: in Redis' memory"
    settings = "two processes, 100 jobs at a time in each; results in Redis"

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._pool: Any = None
        self._jobs: dict[int, Any] = {}

    @contextmanager
    def open(self) -> Iterator[None]:
        """Redis runs already."""
        self._pool = self._loop.run_until_complete(create_pool(SETTINGS))
        yield
        self._loop.run_until_complete(self._pool.aclose())

    def submit(self, numbers: Iterable[int]) -> None:
        """A hundred at a time: it has no way for many."""
        found = list(numbers)

        async def put(part: list[int]) -> list[Any]:
            return await asyncio.gather(*(self._pool.enqueue_job("noop", number) for number in part))

        for first in range(0, len(found), 100):
            part = found[first : first + 100]
            self._jobs.update(zip(part, self._loop.run_until_complete(put(part)), strict=True))

    def submit_one(self, number: int) -> None:
        """As an application does."""
        self._loop.run_until_complete(self._pool.enqueue_job("noop", number))

    @contextmanager
    def work(self) -> Iterator[None]:
        """Two processes."""
        with programs(*[["arq", "scripts.benchmarks.peers.arq_redis.WorkerSettings"]] * WORKERS):
            yield

    def result(self, number: int) -> object:
        """From Redis."""
        return self._loop.run_until_complete(self._jobs[number].result(timeout=60))


PEER = Peer()
