"""A group that was submitted, in the hands of whoever knows its id."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from supervisor.client.wait import raise_for_end
from supervisor.errors import SupervisorError, WaitTimeoutError
from supervisor.handle import Handle, returned
from supervisor.ids import to_text
from supervisor.records import TaskRecord
from supervisor.states import State
from supervisor.wire.messages import GroupRow

if TYPE_CHECKING:
    from supervisor.taskqueue import TaskQueue

R = TypeVar("R")
_FAILED = (State.FAILED, State.TIMED_OUT, State.LOST)
_CANCELLED = (State.CANCELLED, State.EXPIRED)


@dataclass(frozen=True, slots=True)
class GroupProgress:
    """How far a group is."""

    total: int
    succeeded: int
    failed: int
    """Failed, timed out or lost."""
    cancelled: int
    """Cancelled, or expired."""
    running: int
    waiting: int
    """For anything: a worker, their time, other tasks."""

    @property
    def ended(self) -> int:
        """How many members have ended, however."""
        return self.succeeded + self.failed + self.cancelled

    @property
    def percent(self) -> float:
        """How many of them, 0 to 100."""
        return 100.0 * self.ended / self.total if self.total else 100.0


def progress_of(row: GroupRow) -> GroupProgress:
    """Counted from what the broker sent. Members whose records have expired had ended, and are counted as succeeded."""
    states = [State(state) for _, state in row.members]
    failed = sum(state in _FAILED for state in states)
    cancelled = sum(state in _CANCELLED for state in states)
    running = states.count(State.RUNNING)
    unfinished = sum(not state.ended for state in states)
    succeeded = row.size - failed - cancelled - unfinished
    return GroupProgress(row.size, succeeded, failed, cancelled, running, unfinished - running)


class GroupHandle(Generic[R]):
    """Asks after a group. ``id`` is all that is needed to find it again: :meth:`TaskQueue.get_group`.

    ``handles`` are those of its members, in order. ``R`` is what each of them returns.
    """

    __slots__ = ("_queue", "handles", "id")

    def __init__(self, group_id: str, ids: Iterable[str], queue: TaskQueue) -> None:
        self.id = group_id
        self.handles: list[Handle[R]] = [Handle(each, queue) for each in ids]
        self._queue = queue

    def __repr__(self) -> str:
        return f"<GroupHandle {self.id} of {len(self.handles)}>"

    def __len__(self) -> int:
        return len(self.handles)

    @property
    def __supervisor_ids__(self) -> list[str]:
        """The ids of its members, for the option ``parent``."""
        return [handle.id for handle in self.handles]

    def __await__(self) -> Generator[None, None, GroupHandle[R]]:
        """``await`` does no harm, as with a :class:`Handle`."""
        yield from ()
        return self

    def progress(self) -> GroupProgress:
        """How far it is; UnknownGroupError once the records of its members have expired."""
        return self._queue.group_progress(self.id) if self.handles else _NOTHING

    async def aprogress(self) -> GroupProgress:
        """:meth:`progress` without blocking the event loop."""
        return await self._queue.agroup_progress(self.id) if self.handles else _NOTHING

    def wait(self, timeout: float | None = None) -> GroupProgress:
        """Wait until all members have ended, however, for at most ``timeout`` seconds (None: for ever).

        Raises WaitTimeoutError when only the waiting ran out.
        """
        return self._queue.wait_group(self.id, timeout) if self.handles else _NOTHING

    async def await_(self, timeout: float | None = None) -> GroupProgress:
        """:meth:`wait` without blocking the event loop."""
        return await self._queue.await_group(self.id, timeout) if self.handles else _NOTHING

    @overload
    def results(self, timeout: float | None = None, *, return_exceptions: Literal[False] = False) -> list[R]: ...
    @overload
    def results(self, timeout: float | None = None, *, return_exceptions: bool) -> list[R | SupervisorError]: ...
    def results(self, timeout: float | None = None, *, return_exceptions: bool = False) -> Any:
        """Wait for what the members return, in their order, for at most ``timeout`` seconds (None: for ever).

        The first that did not succeed raises what :meth:`Handle.result` raises; with ``return_exceptions`` exceptions
        stand in the places of all those.
        """
        self.wait(timeout)
        return _results(self._queue.records([each.id for each in self.handles]), return_exceptions)

    async def aresults(self, timeout: float | None = None, *, return_exceptions: bool = False) -> list[Any]:
        """:meth:`results` without blocking the event loop."""
        await self.await_(timeout)
        return _results(await self._queue.arecords([each.id for each in self.handles]), return_exceptions)

    def cancel(self) -> int:
        """Cancel every member that has not ended, and what leads to it; how many tasks that were."""
        return self._queue.cancel_group(self.id) if self.handles else 0

    async def acancel(self) -> int:
        """:meth:`cancel` without blocking the event loop."""
        return await self._queue.acancel_group(self.id) if self.handles else 0


_NOTHING = GroupProgress(0, 0, 0, 0, 0, 0)


class GroupWait:
    """Waiting for all members: for one of them, then for twice as many, until none is unfinished."""

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._until = math.inf if timeout is None else time.monotonic() + timeout
        self._many = 1

    def unfinished(self, row: GroupRow) -> list[str]:
        """For whom to wait before the group is looked at again; empty when all have ended."""
        found = [to_text(task_id) for task_id, state in row.members if not State(state).ended]
        if found and time.monotonic() >= self._until:
            raise WaitTimeoutError(found[-1], self._timeout or 0.0)
        self._many *= 2
        return found[: -self._many // 2 - 1 : -1]

    @property
    def left(self) -> float | None:
        """Seconds."""
        return None if self._timeout is None else max(0.0, self._until - time.monotonic())


def outcome(record: TaskRecord) -> object:
    """What a task returned, or the error that stands for its end."""
    try:
        return returned(raise_for_end(record))
    except SupervisorError as error:
        return error


def _results(records: Iterable[TaskRecord], return_exceptions: bool) -> list[object]:
    if return_exceptions:
        return [outcome(record) for record in records]
    return [returned(raise_for_end(record)) for record in records]
