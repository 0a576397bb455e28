"""concurrent.futures.ProcessPoolExecutor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from scripts.benchmarks import gate, marks
from scripts.benchmarks.peer import WORKERS


class Pool:
    """One call a task, as a queue is used: each has its own result."""

    durability = "none: in the memory of the process that submits"
    settings = "submit, one future a task"

    def __init__(self) -> None:
        self._pool: Any = None
        self._results: list[Any] = []

    @contextmanager
    def open(self) -> Iterator[None]:
        """Workers that wait at a gate."""
        with ProcessPoolExecutor(WORKERS, initializer=gate.wait) as self._pool:
            yield
            gate.open_()

    def submit(self, numbers: Iterable[int]) -> None:
        """One after the other."""
        self._results = [self._pool.submit(marks.note, number) for number in numbers]

    def submit_one(self, number: int) -> None:
        """One; nothing acknowledges it."""
        self._pool.submit(marks.note, number)

    @contextmanager
    def work(self) -> Iterator[None]:
        """Open the gate."""
        gate.open_()
        yield

    def result(self, number: int) -> object:
        """From memory."""
        return self._results[number].result(60)


PEER = Pool()
