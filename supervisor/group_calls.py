"""The part of :class:`supervisor.TaskQueue` that is about groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from supervisor.client import calls
from supervisor.client.wait import Wait
from supervisor.client.waiting import Waiting
from supervisor.errors import UnknownGroupError, UnknownTaskError
from supervisor.group_handle import GroupHandle, GroupProgress, GroupWait, progress_of
from supervisor.ids import from_text, id_of, to_text
from supervisor.records import TaskRecord
from supervisor.wire.messages import GroupRow, MemberSlice

if TYPE_CHECKING:
    from supervisor.packer import Packer
    from supervisor.taskqueue import TaskQueue

_MOST_IDS = 500


class GroupCalls(Waiting):
    """Finding groups again, and what their handles ask for."""

    def get_group(self, group_id: str) -> GroupHandle[Any]:
        """The handle of a group, from any process; UnknownGroupError, also once its members' records have expired."""
        return self._group(group_id, self._perform(calls.group(_id_of(group_id), self._timeout)))

    async def aget_group(self, group_id: str) -> GroupHandle[Any]:
        """:meth:`get_group` without blocking the event loop."""
        return self._group(group_id, await self._aperform(calls.group(_id_of(group_id), self._timeout)))

    def _group(self, group_id: str, row: GroupRow) -> GroupHandle[Any]:
        return GroupHandle(group_id, [to_text(task_id) for task_id, _ in row.members], cast("TaskQueue", self))

    def group_progress(self, group_id: str) -> GroupProgress:
        """How far a group is. Raises UnknownGroupError."""
        return progress_of(self._perform(calls.group(_id_of(group_id), self._timeout)))

    async def agroup_progress(self, group_id: str) -> GroupProgress:
        """:meth:`group_progress` without blocking the event loop."""
        return progress_of(await self._aperform(calls.group(_id_of(group_id), self._timeout)))

    def wait_group(self, group_id: str, timeout: float | None = None) -> GroupProgress:
        """Wait until all members of a group have ended. Raises WaitTimeoutError, UnknownGroupError."""
        waiting = GroupWait(timeout)
        while True:
            row = self._perform(calls.group(_id_of(group_id), self._timeout))
            unfinished = waiting.unfinished(row)
            if not unfinished:
                return progress_of(row)
            for task_id in unfinished:
                member = Wait(task_id, waiting.left)
                with self._waits_for(id_of(task_id)):
                    while member.ended(self._perform(member.call())) is None:
                        self._hurry(id_of(task_id))

    async def await_group(self, group_id: str, timeout: float | None = None) -> GroupProgress:
        """:meth:`wait_group` without blocking the event loop."""
        waiting = GroupWait(timeout)
        while True:
            row = await self._aperform(calls.group(_id_of(group_id), self._timeout))
            unfinished = waiting.unfinished(row)
            if not unfinished:
                return progress_of(row)
            for task_id in unfinished:
                member = Wait(task_id, waiting.left)
                with await self._awaits_for(id_of(task_id)):
                    while member.ended(await self._aperform(member.call())) is None:
                        await self._ahurry(id_of(task_id))

    def cancel_group(self, group_id: str) -> int:
        """Cancel what is unfinished of a group; how many tasks that were. Raises UnknownGroupError."""
        return self._perform(calls.cancel_group(_id_of(group_id), self._timeout))

    async def acancel_group(self, group_id: str) -> int:
        """:meth:`cancel_group` without blocking the event loop."""
        return await self._aperform(calls.cancel_group(_id_of(group_id), self._timeout))

    def records(self, ids: list[str]) -> list[TaskRecord]:
        """What is known of many tasks, with their results and without their output. Raises UnknownTaskError."""
        found: list[TaskRecord] = []
        while len(found) < len(ids):
            some = ids[len(found) : len(found) + _MOST_IDS]
            part = self._perform(calls.records([id_of(each) for each in some], self._timeout))
            found += _records(self._packer(), some, part)
        return found

    async def arecords(self, ids: list[str]) -> list[TaskRecord]:
        """:meth:`records` without blocking the event loop."""
        found: list[TaskRecord] = []
        while len(found) < len(ids):
            some = ids[len(found) : len(found) + _MOST_IDS]
            part = await self._aperform(calls.records([id_of(each) for each in some], self._timeout))
            found += _records(await self._apacker(), some, part)
        return found

    def _packer(self) -> Packer:
        raise NotImplementedError

    async def _apacker(self) -> Packer:
        raise NotImplementedError


def _records(packer: Packer, ids: list[str], part: MemberSlice) -> list[TaskRecord]:
    found: list[TaskRecord] = []
    for task_id, row in zip(ids, part.rows, strict=False):
        if row is None:
            raise UnknownTaskError(task_id)
        found.append(packer.record(row))
    return found


def _id_of(group_id: str) -> bytes:
    found = from_text(group_id)
    if found is None:
        raise UnknownGroupError(str(group_id))
    return found
