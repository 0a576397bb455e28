"""flexiq with SQLite and its prefork pool."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from flexiq import Queue

from scripts.benchmarks import marks
from scripts.benchmarks.peer import FOLDER, WORKERS, programs

os.environ["FLEXIQ_PYTHON"] = sys.executable  # else its children are started without this environment
queue: Any = Queue(db_path=str(FOLDER / "flexiq.db"), workers=WORKERS)


@queue.task()
def noop(number: int) -> int:
    """Does nothing."""
    return marks.note(number)


class Peer:
    """Its pool of processes is what its documentation names for CPU-bound work."""

    durability = "outlives any process (SQLite WAL, NORMAL)"
    settings = "prefork, two workers; results in SQLite"

    def __init__(self) -> None:
        self._jobs: dict[int, Any] = {}

    @contextmanager
    def open(self) -> Iterator[None]:
        """Its file is there already."""
        yield

    def submit(self, numbers: Iterable[int]) -> None:
        """A thousand a call."""
        found = list(numbers)
        for first in range(0, len(found), 1000):
            part = found[first : first + 1000]
            self._jobs.update(zip(part, noop.map([(number,) for number in part]), strict=True))

    def submit_one(self, number: int) -> None:
        """As an application does."""
        noop.delay(number)

    @contextmanager
    def work(self) -> Iterator[None]:
        """A worker with two processes."""
        with programs(
            ["flexiq", "worker", "--app", "scripts.benchmarks.peers.flexiq_prefork:queue", "--pool", "prefork"]
        ):
            yield

    def result(self, number: int) -> object:
        """From SQLite."""
        return self._jobs[number].result(timeout=60)


PEER = Peer()
