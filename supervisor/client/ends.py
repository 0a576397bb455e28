"""The blocking and the asyncio way to one supervisor."""

from __future__ import annotations

from typing import Protocol, TypeVar

from supervisor.client import calls
from supervisor.client.aio import AsyncClient
from supervisor.client.calls import Call
from supervisor.client.manager import QueueProxy
from supervisor.client.revive import revive
from supervisor.directory import Directory
from supervisor.packer import Packer

T = TypeVar("T")


class Blocking(Protocol):
    """Performs calls in the caller's thread."""

    opened: int
    """How many connections were made: what was learnt over an earlier one may be out of date."""

    def perform(self, call: Call[T]) -> T:
        """Make a call; its value."""
        ...

    def close(self) -> None:
        """Close what is open and not in use."""
        ...


class Asynchronous(Protocol):
    """Performs calls without blocking the event loop."""

    opened: int

    async def perform(self, call: Call[T]) -> T:
        """Make a call; its value."""
        ...


class Ends:
    """``timeout``: seconds that a call may take to get an answer."""

    def __init__(self, directory: Directory, timeout: float, sync: Blocking, aio: Asynchronous) -> None:
        self.directory = directory
        self.sync = sync
        self.aio = aio
        self._info = calls.info(timeout)
        # What was learnt holds for as long as no new connection was made: then it may be another supervisor.
        self._packer: tuple[int, Packer] | None = None
        self._apacker: tuple[int, Packer] | None = None

    @classmethod
    def to(cls, directory: Directory, timeout: float) -> Ends:
        """Those that connect, when first used, to the supervisor of a directory."""
        sync, aio = QueueProxy(directory, timeout, revive), AsyncClient(directory, timeout, revive)
        return cls(directory, timeout, sync, aio)

    def packer(self) -> Packer:
        """Packs as the supervisor wants it, which is asked once a connection."""
        opened = self.sync.opened
        if self._packer is None or self._packer[0] != opened:
            self._packer = opened, Packer(self.directory, self.sync.perform(self._info))
        return self._packer[1]

    async def apacker(self) -> Packer:
        """:meth:`packer` without blocking the event loop."""
        opened = self.aio.opened
        if self._apacker is None or self._apacker[0] != opened:
            self._apacker = opened, Packer(self.directory, await self.aio.perform(self._info))
        return self._apacker[1]
