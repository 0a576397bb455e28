"""The part of :class:`supervisor.TaskQueue` that puts tasks into the queue: functions, names, what belongs together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast, overload

from supervisor import handlers, task_hooks
from supervisor.client import calls
from supervisor.client.ahead import Ahead
from supervisor.client.calls import Call
from supervisor.client.ends import Ends
from supervisor.client.performing import Performing
from supervisor.config import TaskConfig, TaskOptions
from supervisor.context import TaskContext
from supervisor.creation import Creation
from supervisor.errors import QueueUnavailableError, SupervisorError
from supervisor.ids import to_text
from supervisor.option_kinds import read_delay
from supervisor.packer import NO_CONFIG, Packer, discard, in_chunks
from supervisor.wire.messages import Submission

if TYPE_CHECKING:
    from supervisor.steps import Step
    from supervisor.taskqueue import TaskQueue
    from supervisor.workflow import Draft

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class SubmitCalls(Performing):
    """Submitting, in its various styles."""

    @property
    def _ends(self) -> Ends:
        raise NotImplementedError

    def _ready(self) -> Ends:
        raise NotImplementedError

    def _packer(self) -> Packer:
        raise NotImplementedError

    async def _apacker(self) -> Packer:
        raise NotImplementedError

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
            ends = self._ready()
            submission = ends.packer().call(func, args, kwargs, config)
            found = self._send(calls.submit(submission, self._timeout), submission, ends=ends)
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
        chunks = Ahead(self._packer().chunks(func, arguments, config))
        try:
            for chunk in chunks:  # while the broker takes one in, the next is packed
                accepted = self._send(calls.submit_many(chunk, self._timeout, chunks.prepare), *chunk)
                ids += map(to_text, accepted)
        finally:
            for submission in chain.from_iterable(chunks.take_back()):
                discard(self._ends.directory, submission)
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

    def _send(self, call: Call[T], *submissions: Submission, ends: Ends | None = None) -> T:
        try:
            return self._perform(call) if ends is None else ends.sync.perform(call)
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
            cast("TaskQueue", self),
            partial(self._put, func, args, kwargs, config),
            partial(self._aput, func, args, kwargs, config),
        )


def _chosen(options: Mapping[str, Any], delay: float | str) -> dict[str, Any]:
    return {**options, "delay": read_delay("delay_seconds", delay)} if delay else dict(options)
