"""A task that was submitted, in the hands of its submitter."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from supervisor.client.wait import failure_of
from supervisor.errors import ResultExpiredError, UnknownTaskError
from supervisor.records import LogLine, TaskProgress, TaskRecord, progress_of
from supervisor.states import State

if TYPE_CHECKING:
    from supervisor.client.following import Restart
    from supervisor.taskqueue import TaskQueue

R = TypeVar("R")
T = TypeVar("T")


class Handle(Generic[R]):
    """Asks after one task. ``id`` is all that is needed to ask from anywhere else."""

    __slots__ = ("_queue", "id")

    def __init__(self, task_id: str, queue: TaskQueue) -> None:
        self.id = task_id
        self._queue = queue

    def __repr__(self) -> str:
        return f"<Handle {self.id}>"

    @property
    def __supervisor_ids__(self) -> tuple[str]:
        """Its id, for the option ``parent``."""
        return (self.id,)

    def __await__(self) -> Generator[None, None, Handle[R]]:
        """``await f.delay(…)`` does no harm: it yields the handle. Wait for the result with :meth:`aresult`."""
        yield from ()
        return self

    def result(self, timeout: float | None = None) -> R:
        """Wait for what the task returns, for at most ``timeout`` seconds (None: for ever).

        None for a task with ``store_result=False``. Raises TaskFailedError with the remote traceback when it raised,
        ResultExpiredError when it succeeded too long ago, else as :meth:`TaskQueue.wait`.
        """
        return cast(R, returned(self._queue.wait(self.id, timeout)))

    async def aresult(self, timeout: float | None = None) -> R:
        """:meth:`result` without blocking the event loop."""
        return cast(R, returned(await self._queue.await_(self.id, timeout)))

    def state(self) -> State:
        """Its state now; UnknownTaskError once its record has expired."""
        return self._queue.state(self.id)

    async def astate(self) -> State:
        """:meth:`state` without blocking the event loop."""
        return await self._queue.astate(self.id)

    def record(self) -> TaskRecord:
        """All that is known about it, with its result; UnknownTaskError once that has expired."""
        return self._known(self._queue.get_result(self.id))

    async def arecord(self) -> TaskRecord:
        """:meth:`record` without blocking the event loop."""
        return self._known(await self._queue.aget_result(self.id))

    def progress(self) -> TaskProgress:
        """How far it is; UnknownTaskError once its record has expired."""
        return progress_of(self._known(self._queue.get_task(self.id)))

    async def aprogress(self) -> TaskProgress:
        """:meth:`progress` without blocking the event loop."""
        return progress_of(self._known(await self._queue.aget_task(self.id)))

    def cancel(self) -> bool:
        """Cancel it; see :meth:`TaskQueue.cancel`."""
        return self._queue.cancel(self.id)

    async def acancel(self) -> bool:
        """:meth:`cancel` without blocking the event loop."""
        return await self._queue.acancel(self.id)

    def retry(self) -> bool:
        """Take it up again once it has ended; see :meth:`TaskQueue.retry`."""
        return self._queue.retry(self.id)

    async def aretry(self) -> bool:
        """:meth:`retry` without blocking the event loop."""
        return await self._queue.aretry(self.id)

    def logs(self, attempt: int | None = None) -> list[LogLine]:
        """What it has printed and logged so far; see :meth:`TaskQueue.logs`."""
        return self._queue.logs(self.id, attempt)

    async def alogs(self, attempt: int | None = None) -> list[LogLine]:
        """:meth:`logs` without blocking the event loop."""
        return await self._queue.alogs(self.id, attempt)

    def follow(self, attempt: int | None = None, *, timeout: float | None = None) -> Iterator[LogLine]:
        """What it prints and logs, line by line until it has ended; see :meth:`TaskQueue.follow`."""
        return self._queue.follow(self.id, attempt, timeout=timeout)

    def afollow(self, attempt: int | None = None, *, timeout: float | None = None) -> AsyncGenerator[LogLine]:
        """:meth:`follow` for ``async for``, without blocking the event loop."""
        return self._queue.afollow(self.id, attempt, timeout=timeout)

    def _known(self, record: TaskRecord | None) -> TaskRecord:
        if record is None:
            raise UnknownTaskError(self.id)
        return record


class StreamHandle(Handle[R], Generic[T, R]):
    """Of a task that is a generator: ``for item in handle`` and ``async for item in handle`` give what it yields.

    Each loop reads from the first item on. :meth:`result` gives what it returns in the end. It has all that a
    :class:`Handle` has.
    """

    __slots__ = ()

    def __iter__(self) -> Iterator[T]:
        return self.stream()

    def __aiter__(self) -> AsyncGenerator[T]:
        return self.astream()

    def stream(self, *, restart: Restart = "skip", timeout: float | None = None) -> Iterator[T]:
        """What it yields, as it comes, until it has ended; see :meth:`TaskQueue.stream`."""
        return self._queue.stream(self.id, restart=restart, timeout=timeout)

    def astream(self, *, restart: Restart = "skip", timeout: float | None = None) -> AsyncGenerator[T]:
        """:meth:`stream` for ``async for``, without blocking the event loop."""
        return self._queue.astream(self.id, restart=restart, timeout=timeout)


def returned(record: TaskRecord) -> object:
    """What a task returned, by its record; TaskFailedError, ResultExpiredError."""
    if record.result_expired:
        raise ResultExpiredError(record.id)
    if record.state is State.SUCCEEDED:
        return record.result
    raise failure_of(record)
