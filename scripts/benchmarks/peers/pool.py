"""multiprocessing.Pool."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from scripts.benchmarks import gate, marks
from scripts.benchmarks.peer import WORKERS


class Pool:
    """One call a task, as a queue is used: each has its own result."""

    durability = "none: in the memory of the process that submits"
    settings = "apply_async, one result a task"

    def __init__(self) -> None:
        self._pool: Any = None
        self._results: list[Any] = []

    @contextmanager
    def open(self) -> Iterator[None]:
        """Workers that wait at a gate."""
        with multiprocessing.Pool(WORKERS, gate.wait) as self._pool:
            yield
            gate.open_()

    def submit(self, numbers: Iterable[int]) -> None:
        """One after the other."""
        self._results = [self._pool.apply_async(marks.note, (number,)) for number in numbers]

    def submit_one(self, number: int) -> None:
        """One; nothing acknowledges it."""
        self._pool.apply_async(marks.note, (number,))

    @contextmanager
    def work(self) -> Iterator[None]:
        """Open the gate."""
        gate.open_()
        yield

    def result(self, number: int) -> object:
        """From memory."""
        return self._results[number].get(60)


PEER = Pool()
