"""Waiting for a task inside another: there is a worker more for as long as it lasts."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from supervisor.client import calls
from supervisor.client.performing import Performing
from supervisor.worker.blocked import blocked, in_worker


class Waiting(Performing):
    """What the groups of calls that wait have in common."""

    def _waits_for(self, task_id: bytes) -> AbstractContextManager[None]:
        """For as long as this block runs, the task that runs here waits for another that has not ended: that one goes
        before all others of its queue. Nothing outside of a worker. Raises TooManyWaitingError.
        """
        return blocked() if self._hurry(task_id) else nullcontext()

    def _hurry(self, task_id: bytes) -> bool:
        """Have that task go before the others, from time to time: it may have been delayed until now. Whether a task
        waits for it.
        """
        return in_worker() and self._perform(calls.hasten(task_id, self._timeout))

    async def _awaits_for(self, task_id: bytes) -> AbstractContextManager[None]:
        """:meth:`_waits_for` without blocking the event loop."""
        return blocked() if await self._ahurry(task_id) else nullcontext()

    async def _ahurry(self, task_id: bytes) -> bool:
        """:meth:`_hurry` without blocking the event loop."""
        return in_worker() and await self._aperform(calls.hasten(task_id, self._timeout))
