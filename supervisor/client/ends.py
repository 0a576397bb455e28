"""The blocking and the asyncio way to the supervisor of one directory."""

from __future__ import annotations

from supervisor.client import calls
from supervisor.client.aio import AsyncClient
from supervisor.client.manager import QueueProxy
from supervisor.client.revive import revive
from supervisor.directory import Directory
from supervisor.packer import Packer


class Ends:
    """Connects when first used. ``timeout``: seconds that a call may take to get an answer."""

    def __init__(self, directory: Directory, timeout: float) -> None:
        self.directory = directory
        self.sync = QueueProxy(directory, timeout, revive)
        self.aio = AsyncClient(directory, timeout, revive)
        self._info = calls.info(timeout)
        # What was learnt holds for as long as no new connection was made: then it may be another supervisor.
        self._packer: tuple[int, Packer] | None = None
        self._apacker: tuple[int, Packer] | None = None

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
