"""An iterator whose next item may be worked out before it is asked for: while the answer about the last is awaited."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from supervisor.errors import SoftTimeoutError, TaskCancelledError

T = TypeVar("T")


class Ahead(Generic[T]):
    """The items of an iterator, in their order. What it raises is raised when the item is asked for."""

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._ready: list[T] = []
        self._fault: Exception | None = None

    def prepare(self) -> None:
        """Work the next item out now, unless that is done. Raises nothing but a soft limit or a cancel, which a signal
        brings: that is for the task, and at once.
        """
        if self._ready or self._fault is not None:
            return
        try:
            self._ready.append(next(self._items))
        except (SoftTimeoutError, TaskCancelledError):
            raise
        except Exception as fault:  # noqa: BLE001  StopIteration and whatever the caller's own iterator raises
            self._fault = fault

    def take_back(self) -> list[T]:
        """What was worked out, and not asked for."""
        ready, self._ready = self._ready, []
        return ready

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        self.prepare()
        if self._fault is not None:
            raise self._fault
        return self._ready.pop()
