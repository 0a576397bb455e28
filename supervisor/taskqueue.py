"""The queue as its users see it, from any process on the machine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from supervisor.client import calls
from supervisor.client.calls import Call
from supervisor.client.ends import Ends
from supervisor.client.wait import Wait, raise_for_end
from supervisor.directory import DEFAULT, VARIABLE, Directory
from supervisor.ended_calls import EndedCalls
from supervisor.errors import UnknownTaskError
from supervisor.group_calls import GroupCalls
from supervisor.ids import from_text, id_of
from supervisor.local.tree import LocalTree
from supervisor.number_calls import Meters, NumberCalls
from supervisor.order_calls import OrderCalls
from supervisor.packer import Packer
from supervisor.records import TaskRecord, record_of
from supervisor.schedule_calls import ScheduleCalls
from supervisor.seen_calls import SeenCalls
from supervisor.states import State
from supervisor.submit_calls import SubmitCalls
from supervisor.talk_calls import TalkCalls

T = TypeVar("T")


class TaskQueue(SubmitCalls, OrderCalls, EndedCalls, GroupCalls, NumberCalls, ScheduleCalls, SeenCalls, TalkCalls):
    """A connection to the supervisor of a directory, made when it is first needed.

    Safe to share between threads and across forks, sync and async. ``dir`` defaults to ``$SUPERVISOR_DIR``, then
    ``./.supervisor``. ``timeout`` is how many seconds a call may take to get an answer before it raises
    QueueUnavailableError (default 5).
    """

    def __init__(self, dir: str | os.PathLike[str] | None = None, timeout: float = 5.0) -> None:  # noqa: A002
        self._chosen = dir
        self._timeout = timeout
        self._meters = Meters()
        self._place: tuple[str, Ends] | None = None
        self._local: LocalTree | None = None
        self._begun: Path | None = None
        """The directory of the local supervisor that runs."""
        self._instead: list[Path | Ends] = []
        """Of the ready queue: the local supervisors that run (and in-process ones), the latest of which it uses."""

    @classmethod
    def connect(cls, dir: str | os.PathLike[str] | None = None, timeout: float = 5.0) -> TaskQueue:  # noqa: A002
        """A queue whose supervisor has answered; QueueUnavailableError when none does within ``timeout`` seconds."""
        queue = cls(dir, timeout)
        queue.is_accepting()
        return queue

    @classmethod
    def local(
        cls,
        workers: int = 4,
        *,
        dir: str | os.PathLike[str] | None = None,  # noqa: A002
        tasks: str | Sequence[str] = (),
        **settings: Any,
    ) -> TaskQueue:
        """A queue with a small supervisor of its own: for development without Gunicorn, and for scripts.

        It starts when the queue is first used, or entered: ``with TaskQueue.local() as queue: …``, ``async with`` in
        an ASGI lifespan. It ends when that is left, with :meth:`close`, and with this process, even where that is
        killed. While it runs the ready ``supervisor.queue``, and so ``delay``, uses it too.

        ``dir`` (default: a temporary one) outlives it where it is named. ``tasks`` are the modules that hold the tasks;
        functions of a script itself need none. ``settings`` are those of the settings reference, here with the
        defaults cpus="off", grace=5, log_level="warning", and durability="normal" in a temporary directory.

        Using it raises SettingsError, AlreadyRunningError, and LocalTreeError where the tasks cannot be imported.
        """
        queue = cls(dir)
        modules = tasks if isinstance(tasks, str) else list(tasks)
        named = {"tasks": modules} if modules else {}
        queue._local = LocalTree({"workers": workers, "dir": dir, **named, **settings})
        return queue

    def use(self, dir: str | os.PathLike[str]) -> None:  # noqa: A002
        """From now on, use the supervisor of this directory."""
        self._chosen = dir
        self._instead = []

    @property
    def directory(self) -> Path:
        """The directory of the supervisor that this queue belongs to."""
        return self._ends.directory.path

    @property
    def _ends(self) -> Ends:
        chosen = self._instead[-1] if self._instead else self._chosen
        if isinstance(chosen, Ends):
            return chosen
        wanted = os.fspath(chosen or os.environ.get(VARIABLE) or DEFAULT)
        place = self._place
        if place is None or place[0] != wanted:
            self._place = place = (wanted, Ends.to(Directory(wanted), self._timeout))
        return place[1]

    def _perform(self, call: Call[T]) -> T:
        return self._ready().sync.perform(call)

    async def _aperform(self, call: Call[T]) -> T:
        return await (await self._aready()).aio.perform(call)

    def _packer(self) -> Packer:
        return self._ready().packer()

    async def _apacker(self) -> Packer:
        return await (await self._aready()).apacker()

    def _ready(self) -> Ends:
        if self._local is not None and self._local.directory is None:
            self._begin(self._local.start())
        return self._ends

    async def _aready(self) -> Ends:
        if self._local is not None and self._local.directory is None:
            self._begin(await asyncio.to_thread(self._local.start))
        return self._ends

    def _begin(self, local: Path) -> None:
        if self._begun != local:
            self._begun = local
            self.use(local)
            queue._instead.append(local)

    def close(self) -> None:
        """Close idle connections. The queue can still be used, and then opens new ones.

        A local supervisor (:meth:`local`) is ended; what runs there has the setting ``grace``.
        """
        self._ends.sync.close()
        if self._local is not None and self._local.end():
            queue._instead = [each for each in queue._instead if each != self._begun]
            self._begun = None

    def __enter__(self) -> Self:
        self._ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        await self._aready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)

    # -- reading -----------------------------------------------------------------------------------------------

    def get_task(self, task_id: str) -> TaskRecord | None:
        """What is known about a task; None for an id that is unknown or has expired."""
        found = from_text(task_id)
        row = self._perform(calls.task(found, self._timeout, with_result=False)) if found else None
        return record_of(row) if row else None

    async def aget_task(self, task_id: str) -> TaskRecord | None:
        """:meth:`get_task` without blocking the event loop."""
        found = from_text(task_id)
        row = await self._aperform(calls.task(found, self._timeout, with_result=False)) if found else None
        return record_of(row) if row else None

    def get_result(self, task_id: str) -> TaskRecord | None:
        """Like :meth:`get_task`, with what the task returned, if it has succeeded."""
        found = from_text(task_id)
        row = self._perform(calls.task(found, self._timeout, with_result=True)) if found else None
        return self._packer().record(row) if row else None

    async def aget_result(self, task_id: str) -> TaskRecord | None:
        """:meth:`get_result` without blocking the event loop."""
        found = from_text(task_id)
        row = await self._aperform(calls.task(found, self._timeout, with_result=True)) if found else None
        return (await self._apacker()).record(row) if row else None

    def state(self, task_id: str) -> State:
        """The state of a task; UnknownTaskError for an id that is unknown or has expired."""
        return _state(self.get_task(task_id), task_id)

    async def astate(self, task_id: str) -> State:
        """:meth:`state` without blocking the event loop."""
        return _state(await self.aget_task(task_id), task_id)

    def wait(self, task_id: str, timeout: float | None = None) -> TaskRecord:
        """Wait until a task has ended, for at most ``timeout`` seconds (None: for ever).

        Returns the record of one that succeeded or failed. Raises TaskTimeoutError, TaskCancelledError,
        WorkerLostError or TaskExpiredError for those ends, WaitTimeoutError when only the waiting ran out, and
        UnknownTaskError.

        A task may wait for another: that one then goes before all others of its queue, and for as long as the waiting
        lasts there is a worker more; above the setting ``max_waiting`` it raises TooManyWaitingError.
        """
        waiting = Wait(task_id, timeout)
        with self._waits_for(id_of(task_id)):
            while True:
                ended = waiting.ended(self._perform(waiting.call()))
                if ended is not None:
                    return raise_for_end(self._packer().record(ended))
                self._hurry(id_of(task_id))

    async def await_(self, task_id: str, timeout: float | None = None) -> TaskRecord:
        """:meth:`wait` without blocking the event loop (``wait`` with an ``a`` is a keyword, hence the underscore)."""
        waiting = Wait(task_id, timeout)
        with await self._awaits_for(id_of(task_id)):
            while True:
                ended = waiting.ended(await self._aperform(waiting.call()))
                if ended is not None:
                    return raise_for_end((await self._apacker()).record(ended))
                await self._ahurry(id_of(task_id))

    # -- cancelling --------------------------------------------------------------------------------------------

    def cancel(self, task_id: str) -> bool:
        """Cancel a task: remove one that waits, stop one that runs. False when it had ended already.

        A running task first gets TaskCancelledError raised in it, and is killed if it has not ended after the
        setting ``cancel_grace``. Raises UnknownTaskError.
        """
        return self._perform(calls.cancel(id_of(task_id), self._timeout))

    async def acancel(self, task_id: str) -> bool:
        """:meth:`cancel` without blocking the event loop."""
        return await self._aperform(calls.cancel(id_of(task_id), self._timeout))

    def clear(self, *, name: str | None = None, queue: str | None = None) -> int:
        """Cancel all tasks that wait: for a worker, their time, other tasks or another attempt; how many that were.

        ``name`` is a task's name, in which ``*``, ``?`` and ``[…]`` mean what they do in file names; ``queue`` a named
        queue. What runs is left alone, and so is what is submitted meanwhile. Children go by what they have chosen for
        a parent that is cancelled, and do not count where they go along with it. It is done slice by slice, so nobody
        else has to wait; when it is interrupted, call it again.
        """
        found = self._perform(calls.clear(None, name, queue, self._timeout))
        count = found.count
        while found.rest is not None:
            found = self._perform(calls.clear(found.rest, name, queue, self._timeout))
            count += found.count
        return count

    async def aclear(self, *, name: str | None = None, queue: str | None = None) -> int:
        """:meth:`clear` without blocking the event loop."""
        found = await self._aperform(calls.clear(None, name, queue, self._timeout))
        count = found.count
        while found.rest is not None:
            found = await self._aperform(calls.clear(found.rest, name, queue, self._timeout))
            count += found.count
        return count


def _state(record: TaskRecord | None, task_id: str) -> State:
    if record is None:
        raise UnknownTaskError(task_id)
    return record.state


queue = TaskQueue()
"""The ready queue; connects to Gunicorn's supervisor, or to the one ``$SUPERVISOR_DIR`` names, when first used."""
