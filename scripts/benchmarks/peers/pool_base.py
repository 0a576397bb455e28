"""Pools of processes in the process that submits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from scripts.benchmarks import gate


class PoolPeer:
    """One call a task, as a queue is used: each has its own result.

    ``make`` makes the pool, ``put(pool, number)`` calls the task in it, ``get`` waits for what that returned.
    """

    durability = "none: in the memory of the process that submits"

    def __init__(
        self,
        make: Callable[[], AbstractContextManager[Any]],
        put: Callable[[Any, int], Any],
        get: Callable[[Any], object],
        settings: str,
    ) -> None:
        self.settings = settings
        self._make = make
        self._put = put
        self._get = get
        self._pool: Any = None
        self._results: list[Any] = []

    @contextmanager
    def open(self) -> Iterator[None]:
        """Workers that wait at a gate."""
        with self._make() as self._pool:
            yield
            gate.open_()

    def submit(self, numbers: Iterable[int]) -> None:
        """One after the other."""
        self._results = [self._put(self._pool, number) for number in numbers]

    def submit_one(self, number: int) -> None:
        """One; nothing acknowledges it."""
        self._put(self._pool, number)

    @contextmanager
    def work(self) -> Iterator[None]:
        """Open the gate."""
        gate.open_()
        yield

    def result(self, number: int) -> object:
        """From memory."""
        return self._get(self._results[number])
