"""The part of :class:`supervisor.TaskQueue` that is about tasks which have ended, the dead letters among them."""

from __future__ import annotations

import math

from supervisor.client import calls
from supervisor.client.performing import Performing
from supervisor.dead_letters import Walk, When
from supervisor.errors import UnknownTaskError
from supervisor.ids import id_of
from supervisor.records import AttemptRecord, TaskRecord, attempt_of
from supervisor.states import State
from supervisor.wire.messages import TaskRow


class EndedCalls(Performing):
    """What became of tasks, taking them up again, and the dead letters."""

    def attempts(self, task_id: str) -> list[AttemptRecord]:
        """The attempts of a task that have ended, in their order (the latest 200). Raises UnknownTaskError."""
        return [attempt_of(row) for row in self._perform(calls.attempts(id_of(task_id), self._timeout))]

    async def aattempts(self, task_id: str) -> list[AttemptRecord]:
        """:meth:`attempts` without blocking the event loop."""
        return [attempt_of(row) for row in await self._aperform(calls.attempts(id_of(task_id), self._timeout))]

    def retry(self, task_id: str) -> bool:
        """Take up a task again that has ended, however: at once, with the same id and all its retries anew.

        Its earlier attempts stay in :meth:`attempts`. False when it has not ended, or somebody else was faster. Raises
        UnknownTaskError, QueueFullError, QueueClosedError, and KeyHeldError while another task holds its unique key.
        """
        row = _known(self._perform(calls.task(id_of(task_id), self._timeout, with_result=False)), task_id)
        return State(row.state).ended and self._perform(calls.retry(row.id, row.retried, self._timeout))

    async def aretry(self, task_id: str) -> bool:
        """:meth:`retry` without blocking the event loop."""
        row = _known(await self._aperform(calls.task(id_of(task_id), self._timeout, with_result=False)), task_id)
        return State(row.state).ended and await self._aperform(calls.retry(row.id, row.retried, self._timeout))

    def dead_letters(
        self,
        limit: int = 100,
        *,
        name: str | None = None,
        after: When | None = None,
        before: When | TaskRecord | None = None,
    ) -> list[TaskRecord]:
        """The tasks that ended failed, timed out or lost, the latest first, without output, traceback, stack, context.

        ``name`` is a task's name, in which ``*``, ``?`` and ``[…]`` mean what they do in file names. ``after`` and
        ``before`` are times of the end, a datetime or seconds since 1970; the last record of one page as ``before``
        gives the next.
        """
        return self._walk(Walk("dead", limit, name, after, before)).records()

    async def adead_letters(
        self,
        limit: int = 100,
        *,
        name: str | None = None,
        after: When | None = None,
        before: When | TaskRecord | None = None,
    ) -> list[TaskRecord]:
        """:meth:`dead_letters` without blocking the event loop."""
        return (await self._awalk(Walk("dead", limit, name, after, before))).records()

    def retry_dead_letters(
        self, *, name: str | None = None, after: When | None = None, before: When | None = None
    ) -> int:
        """:meth:`retry` every dead letter that matches (see :meth:`dead_letters`); how many there were.

        One whose unique key is held by another task stays. When QueueFullError is raised, some are under way already.
        """
        return self._walk(Walk("retry_dead", math.inf, name, after, before)).count

    async def aretry_dead_letters(
        self, *, name: str | None = None, after: When | None = None, before: When | None = None
    ) -> int:
        """:meth:`retry_dead_letters` without blocking the event loop."""
        return (await self._awalk(Walk("retry_dead", math.inf, name, after, before))).count

    def drop_dead_letter(self, task_id: str) -> bool:
        """Delete a dead letter, with all that is known of the task; False when it is none. Raises UnknownTaskError."""
        dropped = None
        while dropped is None:
            dropped = self._perform(calls.drop(id_of(task_id), self._timeout))
        return dropped

    async def adrop_dead_letter(self, task_id: str) -> bool:
        """:meth:`drop_dead_letter` without blocking the event loop."""
        dropped = None
        while dropped is None:
            dropped = await self._aperform(calls.drop(id_of(task_id), self._timeout))
        return dropped

    def drop_dead_letters(
        self, *, name: str | None = None, after: When | None = None, before: When | None = None
    ) -> int:
        """Delete every dead letter that matches (see :meth:`dead_letters`); how many there were."""
        return self._walk(Walk("drop_dead", math.inf, name, after, before)).count

    async def adrop_dead_letters(
        self, *, name: str | None = None, after: When | None = None, before: When | None = None
    ) -> int:
        """:meth:`drop_dead_letters` without blocking the event loop."""
        return (await self._awalk(Walk("drop_dead", math.inf, name, after, before))).count

    def _walk(self, walk: Walk) -> Walk:
        while not walk.done:
            walk.take(self._perform(walk.call(self._timeout)))
        return walk

    async def _awalk(self, walk: Walk) -> Walk:
        while not walk.done:
            walk.take(await self._aperform(walk.call(self._timeout)))
        return walk


def _known(row: TaskRow | None, task_id: str) -> TaskRow:
    if row is None:
        raise UnknownTaskError(task_id)
    return row
