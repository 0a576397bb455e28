"""Dramatiq with Redis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from scripts.benchmarks import marks
from scripts.benchmarks.peer import REDIS, WORKERS, programs

broker: Any = RedisBroker(url=f"unix://{REDIS}")
broker.add_middleware(Results(backend=RedisBackend(url=f"unix://{REDIS}")))
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True)
def noop(number: int) -> int:
    """Does nothing."""
    return marks.note(number)


class Peer:
    """Threads within processes are its own default."""

    durability = "none: in Redis' memory"
    settings = "two processes of eight threads; results in Redis"

    def __init__(self) -> None:
        self._messages: dict[int, Any] = {}

    @contextmanager
    def open(self) -> Iterator[None]:
        """Redis runs already."""
        yield

    def submit(self, numbers: Iterable[int]) -> None:
        """One after the other: it has no way for many."""
        for number in numbers:
            self._messages[number] = noop.send(number)

    def submit_one(self, number: int) -> None:
        """As an application does."""
        noop.send(number)

    @contextmanager
    def work(self) -> Iterator[None]:
        """Two processes."""
        with programs(["dramatiq", "scripts.benchmarks.peers.dramatiq_redis", "-p", str(WORKERS), "-t", "8"]):
            yield

    def result(self, number: int) -> object:
        """From Redis."""
        return self._messages[number].get_result(block=True, timeout=60_000)


PEER = Peer()
