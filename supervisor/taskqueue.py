"""The queue as its users see it, from any process on the machine."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, overload

from supervisor import handlers, task_hooks
from supervisor.client import calls
from supervisor.client.calls import Call
from supervisor.client.ends import Ends
from supervisor.client.wait import Wait, raise_for_end
from supervisor.config import TaskConfig, TaskOptions, read_delay, read_priority
from supervisor.context import TaskContext
from supervisor.creation import Creation
from supervisor.directory import DEFAULT, VARIABLE, Directory
from supervisor.ended_calls import EndedCalls
from supervisor.errors import QueueUnavailableError, SupervisorError, UnknownTaskError
from supervisor.group_calls import GroupCalls
from supervisor.ids import from_text, id_of, to_text
from supervisor.local.tree import LocalTree
from supervisor.number_calls import Meters, NumberCalls
from supervisor.packer import NO_CONFIG, Packer, discard, in_chunks
from supervisor.records import TaskRecord, record_of
from supervisor.schedule_calls import ScheduleCalls
from supervisor.seen_calls import SeenCalls
from supervisor.states import State
from supervisor.talk_calls import TalkCalls
from supervisor.wire.messages import Submission

if TYPE_CHECKING:
    from supervisor.steps import Step
    from supervisor.workflow import Draft

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class TaskQueue(EndedCalls, GroupCalls, NumberCalls, ScheduleCalls, SeenCalls, TalkCalls):
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

    # -- submitting --------------------------------------------------------------------------------------------

    def submit(self, func: Callable[..., Any], /, *args: Any, config: TaskConfig = NO_CONFIG, **kwargs: Any) -> str:
        """Put a call of ``func`` into the queue; its id, once it is kept as the durability level promises.

        A task that is submitted without ``config`` has its own options; with it, only those.

        Raises QueueFullError, QueueUnavailableError, QueueClosedError, and SerializationError for an argument that
        cannot cross to another process.
        """
        return self.submit_call(func, args, kwargs, config)

    async def asubmit(
        self, func: Callable[..., Any], /, *args: Any, config: TaskConfig = NO_CONFIG, **kwargs: Any
    ) -> str:
        """:meth:`submit` without blocking the event loop."""
        return await self.asubmit_call(func, args, kwargs, config)

    def submit_call(
        self,
        func: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        config: TaskConfig = NO_CONFIG,
    ) -> str:
        """:meth:`submit` with the arguments packed, for a function that has a parameter named ``config`` itself."""
        return self._put(func, args, kwargs, config)[0]

    def _put(
        self, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], config: TaskConfig
    ) -> tuple[str, bool]:
        """The id, and whether it is a new task: one that holds its unique key may stand for it."""
        if task_hooks.creating():
            new = Creation.of(func, args, kwargs, config).announce()
            submission = self._packer().call(func, new.task.args, new.task.kwargs, new.config)
            found = self._send(calls.submit(submission, self._timeout), submission)
            new.accept(submission.id, found)
        else:
            submission = self._packer().call(func, args, kwargs, config)
            found = self._send(calls.submit(submission, self._timeout), submission)
        return to_text(found), found == submission.id

    async def asubmit_call(
        self,
        func: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        config: TaskConfig = NO_CONFIG,
    ) -> str:
        """:meth:`submit_call` without blocking the event loop."""
        return (await self._aput(func, args, kwargs, config))[0]

    async def _aput(
        self, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], config: TaskConfig
    ) -> tuple[str, bool]:
        if task_hooks.creating():
            new = await Creation.of(func, args, kwargs, config).aannounce()
            submission = (await self._apacker()).call(func, new.task.args, new.task.kwargs, new.config)
            found = await self._asend(calls.submit(submission, self._timeout), submission)
            await new.aaccept(submission.id, found)
        else:
            submission = (await self._apacker()).call(func, args, kwargs, config)
            found = await self._asend(calls.submit(submission, self._timeout), submission)
        return to_text(found), found == submission.id

    def submit_many(
        self, func: Callable[..., Any], arguments: Iterable[Sequence[Any]], *, config: TaskConfig = NO_CONFIG
    ) -> list[str]:
        """Put a call of ``func`` for each tuple of ``arguments`` into the queue; their ids.

        In one round trip, or one for each thousand. A round trip is accepted whole or not at all.
        """
        if task_hooks.creating():
            return self._put_many(func, arguments, config)
        ids: list[str] = []
        for chunk in self._packer().chunks(func, arguments, config):
            accepted = self._send(calls.submit_many(chunk, self._timeout), *chunk)
            ids += map(to_text, accepted)
        return ids

    async def asubmit_many(
        self, func: Callable[..., Any], arguments: Iterable[Sequence[Any]], *, config: TaskConfig = NO_CONFIG
    ) -> list[str]:
        """:meth:`submit_many` without blocking the event loop."""
        if task_hooks.creating():
            return await self._aput_many(func, arguments, config)
        ids: list[str] = []
        for chunk in (await self._apacker()).chunks(func, arguments, config):
            accepted = await self._asend(calls.submit_many(chunk, self._timeout), *chunk)
            ids += map(to_text, accepted)
        return ids

    def submit_draft(self, draft: Draft) -> dict[Step[Any], str]:
        """Submit what belongs together; the id of the task that stands for each step. Used by chains and groups."""
        new = {step: step.creation().announce() for step in draft.nodes} if task_hooks.creating() else {}
        submissions = draft.pack(self._packer(), new)
        found = self._send(calls.submit_many(submissions, self._timeout), *submissions)
        for each, submission, task_id in zip(new.values(), submissions, found, strict=False):
            each.accept(submission.id, task_id)
        return draft.ids(found)

    async def asubmit_draft(self, draft: Draft) -> dict[Step[Any], str]:
        """:meth:`submit_draft` without blocking the event loop."""
        new = {step: await step.creation().aannounce() for step in draft.nodes} if task_hooks.creating() else {}
        submissions = draft.pack(await self._apacker(), new)
        found = await self._asend(calls.submit_many(submissions, self._timeout), *submissions)
        for each, submission, task_id in zip(new.values(), submissions, found, strict=False):
            await each.aaccept(submission.id, task_id)
        return draft.ids(found)

    def _put_many(self, func: Callable[..., Any], arguments: Iterable[Sequence[Any]], config: TaskConfig) -> list[str]:
        """:meth:`submit_many` with hooks, which see each of them."""
        packer, ids = self._packer(), []
        new: deque[Creation] = deque()

        def made() -> Iterator[Submission]:
            for args in arguments:
                each = Creation.of(func, args, {}, config).announce()
                new.append(each)
                yield packer.call(func, each.task.args, each.task.kwargs, each.config)

        for chunk in in_chunks(made()):
            accepted = self._send(calls.submit_many(chunk, self._timeout), *chunk)
            for submission, found in zip(chunk, accepted, strict=True):
                new.popleft().accept(submission.id, found)
                ids.append(to_text(found))
        return ids

    async def _aput_many(
        self, func: Callable[..., Any], arguments: Iterable[Sequence[Any]], config: TaskConfig
    ) -> list[str]:
        """:meth:`_put_many` without blocking the event loop."""
        packer, ids = await self._apacker(), []
        new = deque([await Creation.of(func, args, {}, config).aannounce() for args in arguments])
        made = [packer.call(func, each.task.args, each.task.kwargs, each.config) for each in new]
        for chunk in in_chunks(made):
            accepted = await self._asend(calls.submit_many(chunk, self._timeout), *chunk)
            for submission, found in zip(chunk, accepted, strict=True):
                await new.popleft().aaccept(submission.id, found)
                ids.append(to_text(found))
        return ids

    def _send(self, call: Call[T], *submissions: Submission) -> T:
        try:
            return self._perform(call)
        except SupervisorError as error:
            self._refused(error, submissions)
            raise

    async def _asend(self, call: Call[T], *submissions: Submission) -> T:
        try:
            return await self._aperform(call)
        except SupervisorError as error:
            self._refused(error, submissions)
            raise

    def _refused(self, error: SupervisorError, submissions: Iterable[Submission]) -> None:
        """Remove the files of what was refused (not when nobody answered: it may have been accepted)."""
        if isinstance(error, QueueUnavailableError):
            return
        for submission in submissions:
            discard(self._ends.directory, submission)

    # -- by name -----------------------------------------------------------------------------------------------

    @overload
    def register_handler(self, name: str, function: F, /, **options: Unpack[TaskOptions]) -> F: ...
    @overload
    def register_handler(self, name: str, /, **options: Unpack[TaskOptions]) -> Callable[[F], F]: ...
    def register_handler(
        self, name: str, function: F | None = None, /, **options: Unpack[TaskOptions]
    ) -> F | Callable[[F], F]:
        """Make a function known as the handler of ``name``, with the options that it is submitted with.

        To be done where the workers see it too: in a module that is named in ``tasks``. Also a decorator:
        ``@queue.register_handler("send_email", timeout=30)``. The function stays as it is, and is called with one
        argument, the data that was enqueued. It is known to every queue of this process. Raises NameTakenError.
        """
        if function is not None:
            return handlers.add(name, function, options)
        return lambda decorated: handlers.add(name, decorated, options)

    def enqueue(
        self, name: str, data: object = None, /, *, delay_seconds: float | str = 0.0, **options: Unpack[TaskOptions]
    ) -> str:
        """Put a call of what is registered under a name into the queue; its id, as :meth:`submit` gives it.

        A handler is called with ``data`` (left out: an empty dict); a task with the items of it as keyword arguments.
        ``options``, such as ``priority`` and ``max_retries``, change those that it was registered with.

        What this process has not registered itself the workers are asked for; UnknownHandlerError names the nearest
        where nobody knows it.
        """
        chosen = _chosen(options, delay_seconds)
        packer = self._packer()
        target = handlers.here(name, chosen)
        if target is None:
            target = handlers.there(name, self._perform(calls.look(name, self._timeout)), chosen)
        args, kwargs = target.arguments({} if data is None else data)
        if not task_hooks.creating():
            submission = packer.named(target, args, kwargs)
            return to_text(self._send(calls.submit(submission, self._timeout), submission))
        new = Creation.begin(target.config.name or name, args, kwargs, target.config).announce()
        submission = packer.named(replace(target, config=new.config), new.task.args, new.task.kwargs)
        found = self._send(calls.submit(submission, self._timeout), submission)
        new.accept(submission.id, found)
        return to_text(found)

    async def aenqueue(
        self, name: str, data: object = None, /, *, delay_seconds: float | str = 0.0, **options: Unpack[TaskOptions]
    ) -> str:
        """:meth:`enqueue` without blocking the event loop."""
        chosen = _chosen(options, delay_seconds)
        packer = await self._apacker()
        target = handlers.here(name, chosen)
        if target is None:
            target = handlers.there(name, await self._aperform(calls.look(name, self._timeout)), chosen)
        args, kwargs = target.arguments({} if data is None else data)
        if not task_hooks.creating():
            submission = packer.named(target, args, kwargs)
            return to_text(await self._asend(calls.submit(submission, self._timeout), submission))
        new = await Creation.begin(target.config.name or name, args, kwargs, target.config).aannounce()
        submission = packer.named(replace(target, config=new.config), new.task.args, new.task.kwargs)
        found = await self._asend(calls.submit(submission, self._timeout), submission)
        await new.aaccept(submission.id, found)
        return to_text(found)

    def task_context(
        self, func: Callable[..., Any], /, *args: Any, config: TaskConfig = NO_CONFIG, **kwargs: Any
    ) -> TaskContext:
        """A call of ``func`` for as long as a block runs: ``with queue.task_context(f, 9) as task_id: …``.

        What has not ended when the block is left, however, is cancelled. ``async with`` does not block the event loop.
        A task of others that holds its unique key, and so stands for it, is left alone. Raises what :meth:`submit` and
        :meth:`cancel` raise.
        """
        return TaskContext(
            self, partial(self._put, func, args, kwargs, config), partial(self._aput, func, args, kwargs, config)
        )

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

    # -- order and pace ----------------------------------------------------------------------------------------

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


def _chosen(options: Mapping[str, Any], delay: float | str) -> dict[str, Any]:
    return {**options, "delay": read_delay("delay_seconds", delay)} if delay else dict(options)


def _state(record: TaskRecord | None, task_id: str) -> State:
    if record is None:
        raise UnknownTaskError(task_id)
    return record.state


queue = TaskQueue()
"""The ready queue; connects to Gunicorn's supervisor, or to the one ``$SUPERVISOR_DIR`` names, when first used."""
