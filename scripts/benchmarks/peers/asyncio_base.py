"""Systems for asyncio: an event loop is kept for them here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from scripts.benchmarks.peer import programs

_TOGETHER = 100
Step = Callable[[], Awaitable[object]]


class AsyncioPeer:
    """``put(number)`` submits a task, ``get`` waits for the result of what that returned.

    ``ends`` connect and disconnect; ``commands`` are its workers.
    """

    durability = "none: in Redis' memory"

    def __init__(
        self,
        ends: tuple[Step, Step],
        put: Callable[[int], Awaitable[Any]],
        get: Callable[[Any], Awaitable[object]],
        commands: list[list[str]],
        settings: str,
    ) -> None:
        self.settings = settings
        self._connect, self._disconnect = ends
        self._put = put
        self._get = get
        self._commands = commands
        self._loop = asyncio.new_event_loop()
        self._jobs: dict[int, Any] = {}

    def _run(self, step: Awaitable[Any]) -> Any:
        async def go() -> Any:
            return await step

        return self._loop.run_until_complete(go())

    @contextmanager
    def open(self) -> Iterator[None]:
        """Redis runs already."""
        self._run(self._connect())
        yield
        self._run(self._disconnect())

    def submit(self, numbers: Iterable[int]) -> None:
        """A hundred at a time: it has no way for many."""
        found = list(numbers)

        async def put(part: list[int]) -> list[Any]:
            return await asyncio.gather(*map(self._put, part))

        for first in range(0, len(found), _TOGETHER):
            part = found[first : first + _TOGETHER]
            self._jobs.update(zip(part, self._run(put(part)), strict=True))

    def submit_one(self, number: int) -> None:
        """As an application does."""
        self._run(self._put(number))

    @contextmanager
    def work(self) -> Iterator[None]:
        """Its own workers."""
        with programs(*self._commands):
            yield

    def result(self, number: int) -> object:
        """From Redis."""
        found: object = self._run(self._get(self._jobs[number]))
        return found
