"""taskiq with Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

from scripts.benchmarks import marks
from scripts.benchmarks.peer import REDIS, WORKERS, programs

_URL = f"unix://{REDIS}"
broker: Any = ListQueueBroker(_URL).with_result_backend(RedisAsyncResultBackend(_URL))


@broker.task(task_name="noop")
async def noop(number: int) -> int:
    """Does nothing."""
    return marks.note(number)


class Peer:
    """It is for asyncio: an event loop is kept for it here."""

    durability = "none: in Redis' memory"
    settings = "two processes, a list in Redis; results in Redis"

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._tasks: dict[int, Any] = {}

    @contextmanager
    def open(self) -> Iterator[None]:
        """Redis runs already."""
        self._loop.run_until_complete(broker.startup())
        yield
        self._loop.run_until_complete(broker.shutdown())

    def submit(self, numbers: Iterable[int]) -> None:
        """A hundred at a time: it has no way for many."""
        found = list(numbers)

        async def put(part: list[int]) -> list[Any]:
            return await asyncio.gather(*(noop.kiq(number) for number in part))

        for first in range(0, len(found), 100):
            part = found[first : first + 100]
            self._tasks.update(zip(part, self._loop.run_until_complete(put(part)), strict=True))

    def submit_one(self, number: int) -> None:
        """As an application does."""
        self._loop.run_until_complete(noop.kiq(number))

    @contextmanager
    def work(self) -> Iterator[None]:
        """Two processes."""
        module = "scripts.benchmarks.peers.taskiq_list:broker"
        with programs(["taskiq", "worker", module, "--workers", str(WORKERS), "--log-level", "ERROR"]):
            yield

    def result(self, number: int) -> object:
        """From Redis."""
        found: Any = self._loop.run_until_complete(self._tasks[number].wait_result(timeout=60))
        value: object = found.return_value
        return value


PEER = Peer()
