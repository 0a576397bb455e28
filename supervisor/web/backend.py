"""The way to the supervisor: live where it answers, its journal where it does not, and never more than it can bear."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
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
from supervisor.system import lock
from supervisor.taskqueue import TaskQueue

T = TypeVar("T")
P = ParamSpec("P")
_LOOK_SECONDS = 1.5
"""For a look, which can be had from the journal as well."""
_ACT_SECONDS = 5.0
_AGAIN_SECONDS = 1.0
"""So often one that did not answer is asked again; one that did counts as live for as long."""
_READERS = 4
"""Threads that read the journal at a time."""


class Backend:
    """Safe to share between event loops."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.looks = TaskQueue(directory.path, _LOOK_SECONDS)
        self.acts = TaskQueue(directory.path, _ACT_SECONDS)
        self._away: QueueUnavailableError | None = None
        self._checked = -_AGAIN_SECONDS
        """When it was asked last, on the monotonic clock."""
        self._probe: asyncio.Task[None] | None = None
        self._limiters: WeakKeyDictionary[asyncio.AbstractEventLoop, anyio.CapacityLimiter] = WeakKeyDictionary()

    async def look(self, ask: Callable[[TaskQueue], Awaitable[T]]) -> T:
        """Ask the supervisor. QueueUnavailableError at once where none runs, or has not answered somebody else: then it
        is asked again beside, so that only the first who looks has to wait for an answer that does not come.
        """
        if self._away is not None:
            self._ask_again()
            raise self._away
        if lock.holder(self.directory.lock) is None:
            raise QueueUnavailableError(str(self.directory), "no supervisor runs there")
        return await self._ask(ask)

    async def _ask(self, ask: Callable[[TaskQueue], Awaitable[T]]) -> T:
        try:
            found = await ask(self.looks)
        except QueueUnavailableError as error:
            self._away = error
            raise
        finally:
            self._checked = time.monotonic()
        self._away = None
        return found

    def _ask_again(self) -> None:
        idle = self._probe is None or self._probe.done()
        if idle and time.monotonic() - self._checked > _AGAIN_SECONDS:
            self._probe = asyncio.ensure_future(self._try())

    async def _try(self) -> None:
        with suppress(QueueUnavailableError):
            await self._ask(lambda queue: queue.ais_accepting())

    async def look_if_live(self, ask: Callable[[TaskQueue], Awaitable[T]]) -> T | None:
        """The same; None where it does not answer."""
        try:
            return await self.look(ask)
        except QueueUnavailableError:
            return None

    async def is_live(self) -> bool:
        """Whether it answers, or did a moment ago."""
        if self._away is None and time.monotonic() - self._checked < _AGAIN_SECONDS:
            return lock.holder(self.directory.lock) is not None
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
