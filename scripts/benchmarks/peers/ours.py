"""gunicorn-supervisor at ``normal``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from scripts.benchmarks import marks
from scripts.benchmarks.peer import FOLDER, WORKERS
from scripts.measuring.tree import running
from supervisor import TaskQueue, task


@task
def noop(number: int) -> int:
    """Does nothing."""
    return marks.note(number)


class Ours:
    """The durability is the setting of that name."""

    settings = "two workers; results kept"

    def __init__(self, durability: str) -> None:
        self._durability = durability
        self.durability = {
            "full": "fsynced before it is accepted",
            "normal": "outlives any process (SQLite WAL, NORMAL)",
            "off": "in the broker's memory",
        }[durability]
        self._queue = TaskQueue(FOLDER)
        self._ids: list[str] = []

    @contextmanager
    def open(self) -> Iterator[None]:
        """A tree of which the queue is paused."""
        with running(workers=WORKERS, durability=self._durability, tasks="scripts.benchmarks.peers.ours") as tree:
            self._queue = tree.queue
            tree.queue.pause("default")
            yield

    def submit(self, numbers: Iterable[int]) -> None:
        """A thousand a round trip."""
        self._ids = self._queue.submit_many(noop, [(number,) for number in numbers])

    def submit_one(self, number: int) -> None:
        """One a round trip."""
        self._queue.submit(noop, number)

    @contextmanager
    def work(self) -> Iterator[None]:
        """Resume."""
        self._queue.resume("default")
        yield

    def result(self, number: int) -> object:
        """From the journal."""
        return self._queue.wait(self._ids[number]).result


PEER = Ours("normal")
