"""Huey, whatever it stores in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from scripts.benchmarks import marks
from scripts.benchmarks.peer import WORKERS, programs


class HueyPeer:
    """``huey`` is the instance of the module that its consumer is to import."""

    def __init__(self, huey: Any, module: str, durability: str, settings: str) -> None:
        self.durability = durability
        self.settings = settings
        self._module = module
        self._noop = huey.task(name="noop")(marks.note)
        self._results: dict[int, Any] = {}

    @contextmanager
    def open(self) -> Iterator[None]:
        """Its storage is there already."""
        yield

    def submit(self, numbers: Iterable[int]) -> None:
        """One after the other: it has no way for many."""
        for number in numbers:
            self._results[number] = self._noop(number)

    def submit_one(self, number: int) -> None:
        """As an application does."""
        self._noop(number)

    @contextmanager
    def work(self) -> Iterator[None]:
        """Two worker processes, which are its consumer's."""
        consumer = ["huey_consumer", f"scripts.benchmarks.peers.{self._module}.huey", "-w", str(WORKERS)]
        with programs([*consumer, "-k", "process", "-q", "-n"]):
            yield

    def result(self, number: int) -> object:
        """From its storage."""
        return self._results[number].get(blocking=True, timeout=60)
