"""A task for as long as a block of code runs: what has not ended when the block is left, is cancelled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from supervisor.errors import SupervisorError, UnknownTaskError
from supervisor.log import log

if TYPE_CHECKING:
    from supervisor.taskqueue import TaskQueue


@dataclass(slots=True)
class TaskContext:
    """Submits on the way in, and cancels on the way out; ``with`` and ``async with`` give the id of the task.

    ``put`` and ``aput`` give it, and whether the task is new: what stands for it, since it holds its unique key, is
    somebody else's, and is not cancelled. An error of the block counts for more than one of the cancelling, which is
    then only logged.
    """

    queue: TaskQueue
    put: Callable[[], tuple[str, bool]]
    aput: Callable[[], Awaitable[tuple[str, bool]]]
    task_id: str = ""
    ours: bool = False

    def __enter__(self) -> str:
        self.task_id, self.ours = self.put()
        return self.task_id

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.ours:
                self.queue.cancel(self.task_id)
        except SupervisorError as fault:
            self._bear(fault, error)

    async def __aenter__(self) -> str:
        self.task_id, self.ours = await self.aput()
        return self.task_id

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.ours:
                await self.queue.acancel(self.task_id)
        except SupervisorError as fault:
            self._bear(fault, error)

    def _bear(self, fault: SupervisorError, error: BaseException | None) -> None:
        if isinstance(fault, UnknownTaskError):
            return  # it ended so long ago that its record is gone
        if error is None:
            raise fault
        log.warning("task %s could not be cancelled: %s", self.task_id, fault)
