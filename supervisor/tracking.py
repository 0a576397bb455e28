"""Telling progress by going through something: ``for item in track(items)``."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from operator import length_hint
from typing import Protocol, TypeVar

T = TypeVar("T")
_Tell = Callable[[int], None]


class Telling(Protocol):
    """What progress is told to."""

    def progress(self, done: float, total: float | None = None, message: str = "") -> None:
        """So much is done."""


def track(
    task: Telling | None, iterable: Iterable[T] | AsyncIterable[T], total: float | None, message: str
) -> Iterator[T] | AsyncIterator[T]:
    """The items, each counted as done when the next is asked for. Without a task nobody is told.

    Raises TypeError for what cannot be gone through.
    """
    if total is None:
        # 0 is also what is said by what does not know.
        total = length_hint(iterable) or None

    def tell(done: int) -> None:
        if task is not None:
            task.progress(done, total, message)

    if isinstance(iterable, AsyncIterable):
        return _aeach(iterable, tell)
    return _each(iter(iterable), tell)


def _each(items: Iterable[T], tell: _Tell) -> Iterator[T]:
    done = 0
    tell(done)
    for item in items:
        yield item
        done += 1
        tell(done)


async def _aeach(items: AsyncIterable[T], tell: _Tell) -> AsyncIterator[T]:
    done = 0
    tell(done)
    async for item in items:
        yield item
        done += 1
        tell(done)
