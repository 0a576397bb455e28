"""``@task``: a function that can also be submitted."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, Unpack, overload

from supervisor import registry
from supervisor.config import TaskConfig, TaskOptions
from supervisor.functions import name_of, reference_of
from supervisor.handle import Handle, StreamHandle
from supervisor.hidden import check_names
from supervisor.steps import Step
from supervisor.taskqueue import TaskQueue, queue

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R", covariant=True)  # noqa: PLC0105  it is what readers see in the reference
T = TypeVar("T")
V = TypeVar("V")


class Task(Generic[P, R]):
    """A function with the options it is submitted with. Called, it is still the function.

    ``async def`` functions are submitted in the same way; the worker awaits them.
    """

    def __init__(self, function: Callable[P, R], config: TaskConfig, to: TaskQueue = queue) -> None:
        self.__supervisor_function__ = function
        self.config = config
        self._queue = to
        yields = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
        self._kind: type[Handle[Any]] = StreamHandle if yields else Handle
        functools.update_wrapper(self, function)

    @property
    def name(self) -> str:
        """The name that it goes by in records and logs."""
        return self.config.name or name_of(self.__supervisor_function__)

    def __repr__(self) -> str:
        return f"<Task {self.name}>"

    def _handle(self, task_id: str) -> Handle[Any]:
        return self._kind(task_id, self._queue)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it here and now."""
        return self.__supervisor_function__(*args, **kwargs)

    # The first of each group is for ``async def`` functions: their result is what the worker awaited. The next two are
    # for generators, which stream what they yield.

    @overload
    def delay(self: Task[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> Handle[T]: ...
    @overload
    def delay(self: Task[P, Generator[T, Any, V]], *args: P.args, **kwargs: P.kwargs) -> StreamHandle[T, V]: ...
    @overload
    def delay(
        self: Task[P, Iterator[T] | AsyncIterator[T]], *args: P.args, **kwargs: P.kwargs
    ) -> StreamHandle[T, Any]: ...
    @overload
    def delay(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]: ...
    def delay(self, *args: P.args, **kwargs: P.kwargs) -> Handle[Any]:
        """Submit it; see :meth:`TaskQueue.submit` for what may be raised."""
        return self._handle(self._queue.submit_call(self.__supervisor_function__, args, kwargs, self.config))

    @overload
    async def adelay(self: Task[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> Handle[T]: ...
    @overload
    async def adelay(self: Task[P, Generator[T, Any, V]], *args: P.args, **kwargs: P.kwargs) -> StreamHandle[T, V]: ...
    @overload
    async def adelay(
        self: Task[P, Iterator[T] | AsyncIterator[T]], *args: P.args, **kwargs: P.kwargs
    ) -> StreamHandle[T, Any]: ...
    @overload
    async def adelay(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]: ...
    async def adelay(self, *args: P.args, **kwargs: P.kwargs) -> Handle[Any]:
        """Submit it without blocking the event loop."""
        task_id = await self._queue.asubmit_call(self.__supervisor_function__, args, kwargs, self.config)
        return self._handle(task_id)

    @overload
    def map(self: Task[P, Coroutine[Any, Any, T]], arguments: Iterable[tuple[Any, ...]]) -> list[Handle[T]]: ...
    @overload
    def map(self: Task[P, Generator[T, Any, V]], arguments: Iterable[tuple[Any, ...]]) -> list[StreamHandle[T, V]]: ...
    @overload
    def map(
        self: Task[P, Iterator[T] | AsyncIterator[T]], arguments: Iterable[tuple[Any, ...]]
    ) -> list[StreamHandle[T, Any]]: ...
    @overload
    def map(self, arguments: Iterable[tuple[Any, ...]]) -> list[Handle[R]]: ...
    def map(self, arguments: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Submit it once for each tuple of arguments, in one round trip (or one for each thousand)."""
        ids = self._queue.submit_many(self.__supervisor_function__, arguments, config=self.config)
        return [self._handle(task_id) for task_id in ids]

    @overload
    async def amap(self: Task[P, Coroutine[Any, Any, T]], arguments: Iterable[tuple[Any, ...]]) -> list[Handle[T]]: ...
    @overload
    async def amap(
        self: Task[P, Generator[T, Any, V]], arguments: Iterable[tuple[Any, ...]]
    ) -> list[StreamHandle[T, V]]: ...
    @overload
    async def amap(
        self: Task[P, Iterator[T] | AsyncIterator[T]], arguments: Iterable[tuple[Any, ...]]
    ) -> list[StreamHandle[T, Any]]: ...
    @overload
    async def amap(self, arguments: Iterable[tuple[Any, ...]]) -> list[Handle[R]]: ...
    async def amap(self, arguments: Iterable[tuple[Any, ...]]) -> list[Any]:
        """:meth:`map` without blocking the event loop."""
        ids = await self._queue.asubmit_many(self.__supervisor_function__, arguments, config=self.config)
        return [self._handle(task_id) for task_id in ids]

    # What a step is given by the one before is its first argument, so it may do without that here.

    @overload
    def step(self: Task[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> Step[T]: ...
    @overload
    def step(self: Task[Concatenate[Any, Q], Coroutine[Any, Any, T]], *args: Q.args, **kwargs: Q.kwargs) -> Step[T]: ...
    @overload
    def step(self, *args: P.args, **kwargs: P.kwargs) -> Step[R]: ...
    @overload
    def step(self: Task[Concatenate[Any, Q], T], *args: Q.args, **kwargs: Q.kwargs) -> Step[T]: ...
    def step(self, *args: Any, **kwargs: Any) -> Step[Any]:
        """A call that is not submitted yet, for a ``chain`` or a ``group``."""
        return Step(self.__supervisor_function__, self.config, self._queue, args, kwargs)

    def options(self, **options: Unpack[TaskOptions]) -> Task[P, R]:
        """A copy with these options changed; the task itself stays as it is."""
        return Task(self.__supervisor_function__, self.config.replace(options), self._queue)

    def on(self, to: TaskQueue) -> Task[P, R]:
        """A copy that is submitted to another queue."""
        return Task(self.__supervisor_function__, self.config, to)

    def __reduce__(self) -> tuple[Any, ...]:
        reference = reference_of(self.__supervisor_function__)
        if reference is not None:
            return _import, (reference,)
        return Task, (self.__supervisor_function__, self.config)


def _import(reference: str) -> object:
    module, _, qualname = reference.partition(":")
    found: object = importlib.import_module(module)
    for part in qualname.split("."):
        found = getattr(found, part)
    return found


@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(**options: Unpack[TaskOptions]) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def task(
    function: Callable[P, R] | None = None, /, **options: Unpack[TaskOptions]
) -> Task[P, R] | Callable[[Callable[P, R]], Task[P, R]]:
    """Decorator, bare or with options (see :class:`TaskConfig`): make a function a task.

    It is registered under its name as well; NameTakenError when another function has that.
    """
    config = TaskConfig.of(options)
    if function is not None:
        return _made(function, config)
    return lambda decorated: _made(decorated, config)


def _made(function: Callable[P, R], config: TaskConfig) -> Task[P, R]:
    """A task under its name; copies with other options have none of their own."""
    if config.hidden:
        check_names(function, tuple(config.hidden))
    made = Task(function, config)
    registry.register(made.name, function, config, spread=True)
    return made
