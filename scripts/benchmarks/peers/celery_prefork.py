"""Celery's prefork pool with Redis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery

from scripts.benchmarks import marks
from scripts.benchmarks.peer import REDIS, WORKERS, programs

_URL = f"redis+socket://{REDIS}"
app: Any = Celery("bench", broker=_URL, backend=_URL)
app.conf.update(
    worker_prefetch_multiplier=64,  # "for many short tasks a larger value", its guide to optimising says
    task_acks_late=False,
    task_serializer="json",
    broker_connection_retry_on_startup=True,
)


@app.task(name="noop")
def noop(number: int) -> int:
    """Does nothing."""
    return marks.note(number)


class Peer:
    """Producers keep one connection."""

    durability = "none: in Redis' memory; acknowledged before it runs"
    settings = "prefork, prefetch 64, no gossip, mingle, heartbeat; results in Redis"

    def __init__(self) -> None:
        self._results: dict[int, Any] = {}

    @contextmanager
    def open(self) -> Iterator[None]:
        """Redis runs already."""
        yield

    def submit(self, numbers: Iterable[int]) -> None:
        """One after the other over one producer."""
        with app.producer_pool.acquire(block=True) as producer:
            for number in numbers:
                self._results[number] = noop.apply_async((number,), producer=producer)

    def submit_one(self, number: int) -> None:
        """As an application does."""
        noop.delay(number)

    @contextmanager
    def work(self) -> Iterator[None]:
        """One worker with two processes."""
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR"]
        module = "scripts.benchmarks.peers.celery_prefork"
        with programs(["celery", "-A", module, "worker", "--pool", "prefork", "-c", str(WORKERS), *quiet]):
            yield

    def result(self, number: int) -> object:
        """From Redis."""
        return self._results[number].get(timeout=60)


PEER = Peer()
