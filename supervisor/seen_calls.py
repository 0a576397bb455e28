"""The part of :class:`supervisor.TaskQueue` that is about what can be seen of a task: its progress, its arguments."""

from __future__ import annotations

from typing import Any

from supervisor.client import calls
from supervisor.client.performing import Performing
from supervisor.ids import from_text, id_of
from supervisor.records import TaskProgress, progress_of, record_of


class SeenCalls(Performing):
    """Reading how far a task is, and what it was called with."""

    def get_progress(self, task_id: str) -> TaskProgress | None:
        """How far a task is, by its own word; None for an id that is unknown or has expired."""
        found = from_text(task_id)
        row = self._perform(calls.task(found, self._timeout, with_result=False)) if found else None
        return progress_of(record_of(row)) if row else None

    async def aget_progress(self, task_id: str) -> TaskProgress | None:
        """:meth:`get_progress` without blocking the event loop."""
        found = from_text(task_id)
        row = await self._aperform(calls.task(found, self._timeout, with_result=False)) if found else None
        return progress_of(record_of(row)) if row else None

    def get_arguments(self, task_id: str) -> dict[str, Any]:
        """What a task was called with, by the names of its parameters; ``HIDDEN`` in the place of what is hidden.

        They are opened in this process, as results are. Where it cannot import the function, positional arguments go
        by their numbers, and are all hidden where any is. Raises UnknownTaskError, and PayloadRefusedError for a pickle
        where only JSON is taken.
        """
        found = id_of(task_id)
        row = self._perform(calls.arguments(found, self._timeout))
        return self._packer().arguments(found, row)  # only now: it may be another supervisor that has answered

    async def aget_arguments(self, task_id: str) -> dict[str, Any]:
        """:meth:`get_arguments` without blocking the event loop."""
        found = id_of(task_id)
        row = await self._aperform(calls.arguments(found, self._timeout))
        return (await self._apacker()).arguments(found, row)
