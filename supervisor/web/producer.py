"""One that fetches for all who listen: it works while anybody does, and not otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from supervisor.log import log

_AGAIN_SECONDS = 1.0


class Producer:
    """Has ``work`` run while somebody attends, and wakes who waits for :attr:`changed`. Of one event loop."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._listeners = 0
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    @property
    def listeners(self) -> int:
        """How many attend."""
        return self._listeners

    @property
    def is_working(self) -> bool:
        """Whether it fetches."""
        return self._task is not None and not self._task.done()

    @asynccontextmanager
    async def attended(self) -> AsyncGenerator[None]:
        """Listen inside ``async with``."""
        self._listeners += 1
        if self._listeners == 1:
            self._task = asyncio.ensure_future(self._run())
        try:
            yield
        finally:
            self._listeners -= 1
            if not self._listeners:
                self._stop()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        """Until it is done. What goes wrong must not leave those who listen waiting for ever."""
        while True:
            try:
                await self._work()
            except Exception:  # noqa: BLE001  told in the log, and tried again
                log.exception("what a live page shows could not be fetched")
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                self.notify()
                return

    def notify(self) -> None:
        """There is something new."""
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def changed(self) -> asyncio.Event:
        """Is set with the next :meth:`notify`. Take it before looking at what there is, and wait after."""
        return self._changed
