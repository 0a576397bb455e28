"""What the groups of calls of a task queue have in common."""

from __future__ import annotations

from typing import TypeVar

from supervisor.client.calls import Call
from supervisor.packer import Packer

T = TypeVar("T")


class Performing:
    """Carries out calls, blocking or with asyncio."""

    _timeout: float
    """Seconds that a call may take to get an answer."""

    def _perform(self, call: Call[T]) -> T:
        raise NotImplementedError

    async def _aperform(self, call: Call[T]) -> T:
        raise NotImplementedError

    def _packer(self) -> Packer:
        raise NotImplementedError

    async def _apacker(self) -> Packer:
        raise NotImplementedError
