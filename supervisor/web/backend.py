"""The way to the supervisor: live where it answers, its journal where it does not, and never more than it can bear."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

import anyio
import anyio.to_thread

from supervisor import owners
from supervisor.directory import Directory
from supervisor.errors import QueueUnavailableError
from supervisor.journal import history
from supervisor.journal.history import History
from supervisor.owners import Owner
from supervisor.taskqueue import TaskQueue

T = TypeVar("T")
P = ParamSpec("P")
_LOOK_SECONDS = 1.5
"""For a look, which can be had from the journal as well."""
_ACT_SECONDS = 5.0
_AWAY_SECONDS = 1.0
"""For so long one that did not answer is not asked again for a look."""
_READERS = 4
"""Threads that read the journal at a time."""


class Backend:
    """Safe to share between event loops."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.looks = TaskQueue(directory.path, _LOOK_SECONDS)
        self.acts = TaskQueue(directory.path, _ACT_SECONDS)
        self._away: tuple[float, QueueUnavailableError] | None = None
        self._limiters: WeakKeyDictionary[asyncio.AbstractEventLoop, anyio.CapacityLimiter] = WeakKeyDictionary()

    async def look(self, ask: Callable[[TaskQueue], Awaitable[T]]) -> T:
        """Ask the supervisor. QueueUnavailableError at once where it has just not answered somebody else."""
        if self._away is not None and time.monotonic() < self._away[0]:
            raise self._away[1]
        try:
            found = await ask(self.looks)
        except QueueUnavailableError as error:
            self._away = (time.monotonic() + _AWAY_SECONDS, error)
            raise
        self._away = None
        return found

    async def look_if_live(self, ask: Callable[[TaskQueue], Awaitable[T]]) -> T | None:
        """The same; None where it does not answer."""
        try:
            return await self.look(ask)
        except QueueUnavailableError:
            return None

    async def is_live(self) -> bool:
        """Whether it answers."""
        return await self.look_if_live(lambda queue: queue.ais_accepting()) is not None

    async def read(self, do: Callable[Concatenate[History, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Read the journal, in a thread. Raises JournalError."""

        def work() -> T:
            with history.read(self.directory.journal) as found:
                return do(found, *args, **kwargs)

        return await anyio.to_thread.run_sync(work, limiter=self._limiter())

    def title(self) -> str:
        """What the supervisor is called; empty where none runs."""
        owner = self.owner()
        return owner.spec.title if owner else ""

    def owner(self) -> Owner | None:
        """The newest owner of the supervisor that runs."""
        if not self.directory.owners.is_dir():
            return None
        return next(reversed(owners.living(self.directory.owners)), None)

    async def in_thread(self, do: Callable[[], T]) -> T:
        """Do something that blocks, beside those who read."""
        return await anyio.to_thread.run_sync(do, limiter=self._limiter())

    def _limiter(self) -> anyio.CapacityLimiter:
        loop = asyncio.get_running_loop()
        found = self._limiters.get(loop)
        if found is None:
            found = self._limiters[loop] = anyio.CapacityLimiter(_READERS)
        return found
