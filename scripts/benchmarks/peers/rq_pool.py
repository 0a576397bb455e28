"""RQ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from redis import Redis
from rq import Queue

from scripts.benchmarks import marks
from scripts.benchmarks.peer import REDIS, WORKERS, programs


class Peer:
    """SimpleWorker does not fork for each task, which its documentation advises for throughput."""

    durability = "none: in Redis' memory"
    settings = "worker-pool of SimpleWorkers; results in Redis"

    def __init__(self) -> None:
        self._queue: Any = None
        self._jobs: dict[int, Any] = {}

    @contextmanager
    def open(self) -> Iterator[None]:
        """Redis runs already."""
        self._queue = Queue(connection=Redis(unix_socket_path=REDIS))
        yield

    def submit(self, numbers: Iterable[int]) -> None:
        """A thousand a pipeline."""
        found = list(numbers)
        for first in range(0, len(found), 1000):
            part = found[first : first + 1000]
            jobs = self._queue.enqueue_many(
                [Queue.prepare_data(marks.note, (number,), result_ttl=3600) for number in part]
            )
            self._jobs.update(zip(part, jobs, strict=True))

    def submit_one(self, number: int) -> None:
        """As an application does."""
        self._queue.enqueue(marks.note, number)

    @contextmanager
    def work(self) -> Iterator[None]:
        """Two workers."""
        url = f"unix://{REDIS}"
        pool = ["rq", "worker-pool", "-n", str(WORKERS), "-u", url, "-w", "rq.worker.SimpleWorker", "-q"]
        with programs(pool):
            yield

    def result(self, number: int) -> object:
        """From Redis."""
        return self._jobs[number].return_value(refresh=True)


PEER = Peer()
