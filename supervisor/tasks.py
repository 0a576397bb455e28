"""``@task``: a function that can also be submitted."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Generic, ParamSpec, TypeVar, Unpack, overload

from supervisor import registry
from supervisor.config import TaskConfig, TaskOptions
from supervisor.functions import name_of, reference_of
from supervisor.handle import Handle
from supervisor.hidden import check_names
from supervisor.taskqueue import TaskQueue, queue

P = ParamSpec("P")
R = TypeVar("R", covariant=True)  # noqa: PLC0105  it is what readers see in the reference
T = TypeVar("T")


class Task(Generic[P, R]):
    """A function with the options it is submitted with. Called, it is still the function.

    ``async def`` functions are submitted in the same way; the worker awaits them.
    """

    def __init__(self, function: Callable[P, R], config: TaskConfig, to: TaskQueue = queue) -> None:
        self.__supervisor_function__ = function
        self.config = config
        self._queue = to
        functools.update_wrapper(self, function)

    @property
    def name(self) -> str:
        """The name that it goes by in records and logs."""
        return self.config.name or name_of(self.__supervisor_function__)

    def __repr__(self) -> str:
        return f"<Task {self.name}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it here and now."""
        return self.__supervisor_function__(*args, **kwargs)

    # The first of each pair is for ``async def`` functions: their result is what the worker awaited.

    @overload
    def delay(self: Task[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> Handle[T]: ...
    @overload
    def delay(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]: ...
    def delay(self, *args: P.args, **kwargs: P.kwargs) -> Handle[Any]:
        """Submit it; see :meth:`TaskQueue.submit` for what may be raised."""
        return Handle(self._queue.submit_call(self.__supervisor_function__, args, kwargs, self.config), self._queue)

    @overload
    async def adelay(self: Task[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> Handle[T]: ...
    @overload
    async def adelay(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]: ...
    async def adelay(self, *args: P.args, **kwargs: P.kwargs) -> Handle[Any]:
        """Submit it without blocking the event loop."""
        task_id = await self._queue.asubmit_call(self.__supervisor_function__, args, kwargs, self.config)
        return Handle(task_id, self._queue)

    @overload
    def map(self: Task[P, Coroutine[Any, Any, T]], arguments: Iterable[tuple[Any, ...]]) -> list[Handle[T]]: ...
    @overload
    def map(self, arguments: Iterable[tuple[Any, ...]]) -> list[Handle[R]]: ...
    def map(self, arguments: Iterable[tuple[Any, ...]]) -> list[Handle[Any]]:
        """Submit it once for each tuple of arguments, in one round trip (or one for each thousand)."""
        ids = self._queue.submit_many(self.__supervisor_function__, arguments, config=self.config)
        return [Handle(task_id, self._queue) for task_id in ids]

    @overload
    async def amap(self: Task[P, Coroutine[Any, Any, T]], arguments: Iterable[tuple[Any, ...]]) -> list[Handle[T]]: ...
    @overload
    async def amap(self, arguments: Iterable[tuple[Any, ...]]) -> list[Handle[R]]: ...
    async def amap(self, arguments: Iterable[tuple[Any, ...]]) -> list[Handle[Any]]:
        """:meth:`map` without blocking the event loop."""
        ids = await self._queue.asubmit_many(self.__supervisor_function__, arguments, config=self.config)
        return [Handle(task_id, self._queue) for task_id in ids]

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
