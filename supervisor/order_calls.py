"""The part of :class:`supervisor.TaskQueue` that is about order and pace."""

from __future__ import annotations

from enum import Enum
from typing import Any

from supervisor.client import calls
from supervisor.client.performing import Performing
from supervisor.ids import id_of
from supervisor.priority import read_priority


class OrderCalls(Performing):
    """Priorities, and the named queues."""

    def set_priority(self, task_id: str, priority: int | str | Enum) -> bool:
        """Give a task that has not started another priority; False when it has started. Raises UnknownTaskError."""
        return self._perform(calls.prioritise(id_of(task_id), read_priority(priority), self._timeout))

    async def aset_priority(self, task_id: str, priority: int | str | Enum) -> bool:
        """:meth:`set_priority` without blocking the event loop."""
        return await self._aperform(calls.prioritise(id_of(task_id), read_priority(priority), self._timeout))

    def queues(self) -> list[dict[str, Any]]:
        """The named queues: name, ready, weight, paused."""
        return self._perform(calls.queues(self._timeout))

    async def aqueues(self) -> list[dict[str, Any]]:
        """:meth:`queues` without blocking the event loop."""
        return await self._aperform(calls.queues(self._timeout))

    def pause(self, name: str = "default") -> None:
        """Hand out nothing more from a named queue, until it is resumed, restarts included."""
        self._perform(calls.pause(name, True, self._timeout))

    async def apause(self, name: str = "default") -> None:
        """:meth:`pause` without blocking the event loop."""
        await self._aperform(calls.pause(name, True, self._timeout))

    def resume(self, name: str = "default") -> None:
        """Hand out tasks of a named queue again."""
        self._perform(calls.pause(name, False, self._timeout))

    async def aresume(self, name: str = "default") -> None:
        """:meth:`resume` without blocking the event loop."""
        await self._aperform(calls.pause(name, False, self._timeout))

    def set_weight(self, name: str, weight: float) -> None:
        """Give a named queue so many turns where a queue of weight 1 (the default) has one."""
        self._perform(calls.weigh(name, weight, self._timeout))

    async def aset_weight(self, name: str, weight: float) -> None:
        """:meth:`set_weight` without blocking the event loop."""
        await self._aperform(calls.weigh(name, weight, self._timeout))
