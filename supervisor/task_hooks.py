"""Functions of the application that run at fixed points of a task's life, in the process where that point is."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, TypeVar

from supervisor.core.internal import ON_BACKLOG, ON_DEATH
from supervisor.errors import HookSignatureError

Hook = Callable[..., object]
H = TypeVar("H", bound=Hook)


class Point(StrEnum):
    """Where hooks run, and how they are called there."""

    PRE_CREATE = "on_pre_create(task)"
    POST_CREATE = "on_post_create(task)"
    PRE_RUN = "on_pre_run(task)"
    POST_RUN = "on_post_run(task, result=None, error=None)"
    DEATH = "on_death(task)"
    BACKLOG = "on_backlog(queue, depth)"

    __hash__ = str.__hash__  # looked up on every task's way, and that of an Enum is written in Python


_PLACES: dict[Point, tuple[tuple[None, ...], dict[str, None]]] = {
    Point.POST_RUN: ((None,), {"result": None, "error": None}),
    Point.BACKLOG: ((None, None), {}),
}
_hooks: dict[Point, dict[object, Hook]] = {point: {} for point in Point}


def on_pre_create(function: H) -> H:
    """Decorator: called with a :class:`NewTask` in the process that submits, before it is sent.

    It may change the task's arguments, options and context. What it raises refuses the submit, and comes out of it.
    """
    return _add(Point.PRE_CREATE, function)


def on_post_create(function: H) -> H:
    """Decorator: called with a :class:`NewTask` in the process that submits, after it was accepted.

    What it raises comes out of the submit; the task stays in the queue.
    """
    return _add(Point.POST_CREATE, function)


def on_pre_run(function: H) -> H:
    """Decorator: called with the :class:`CurrentTask` in the worker, before each attempt.

    What it raises fails the attempt, as if the task had raised it. Context variables that it sets are set in the task.
    """
    return _add(Point.PRE_RUN, function)


def on_post_run(function: H) -> H:
    """Decorator: called with the :class:`CurrentTask`, ``result=`` and ``error=`` in the worker, after each attempt
    that ends by itself, the last registered first.

    What it raises is logged, stands in the task's output, and changes nothing.
    """
    return _add(Point.POST_RUN, function)


def on_death(function: H) -> H:
    """Decorator: called with a :class:`DeadTask` in a worker, once for each task that ended failed, timed out or lost,
    kills included.

    That it is to be called is written down together with the end, so it is called however many processes are killed in
    between. If it raises, or is killed, it runs again by the rules for every task.
    """
    return _add(Point.DEATH, function)


def on_backlog(function: H) -> H:
    """Decorator: called with the name of a queue and how many wait in it, in a worker, when that passes the setting
    ``backlog_threshold``; not again before it fell below half of that.
    """
    return _add(Point.BACKLOG, function)


def hooks(point: Point) -> list[Hook]:
    """The hooks of a point, in the order in which they were registered."""
    return list(_hooks[point].values())


def creating() -> bool:
    """Whether there are hooks for what is submitted."""
    return bool(_hooks[Point.PRE_CREATE] or _hooks[Point.POST_CREATE])


def running() -> bool:
    """Whether there are hooks for what runs."""
    return bool(_hooks[Point.PRE_RUN] or _hooks[Point.POST_RUN])


def wanted() -> list[str]:
    """The internal tasks for which there are hooks."""
    internal = {Point.DEATH: ON_DEATH, Point.BACKLOG: ON_BACKLOG}
    return [name for point, name in internal.items() if _hooks[point]]


def name_of(hook: Hook) -> str:
    """What a hook is called in logs."""
    return f"{getattr(hook, '__module__', '?')}.{getattr(hook, '__qualname__', repr(hook))}"


def _add(point: Point, function: H) -> H:
    if not callable(function):
        raise TypeError(f"{function!r} is no function")
    args, kwargs = _PLACES.get(point, ((None,), {}))
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        raise HookSignatureError(point.value, name_of(function), str(error)) from None
    except ValueError:  # a function of C that does not tell: it will be seen
        pass
    _hooks[point][_origin(function)] = function
    return function


def _origin(function: Hook) -> object:
    """Where it was written: a module that is imported once more, or as ``__main__``, registers no second one."""
    code = getattr(function, "__code__", None)
    if code is None or getattr(function, "__closure__", None):
        return function
    return code.co_filename, code.co_firstlineno, code.co_qualname


# -- running those of the process that submits -------------------------------------------------------------------


def run(point: Point, *args: Any) -> None:
    """Run the hooks of a point to their end, those with ``async`` too."""
    for hook in hooks(point):
        found = hook(*args)
        if inspect.isawaitable(found):
            _finish(found)


async def arun(point: Point, *args: Any) -> None:
    """Run the hooks of a point without blocking the event loop, as far as they do not."""
    for hook in hooks(point):
        found = hook(*args)
        if inspect.isawaitable(found):
            await found


def _finish(awaitable: Awaitable[object]) -> None:
    """Wait for a coroutine in blocking code. An event loop that runs in this thread cannot be used for that."""

    async def wait() -> None:
        await awaitable

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(wait())
        return
    raised: list[BaseException] = []
    context = contextvars.copy_context()

    def work() -> None:
        try:
            context.run(asyncio.run, wait())
        except BaseException as error:  # noqa: BLE001  it comes out of the thread that waits
            raised.append(error)

    thread = threading.Thread(target=work, name="hook")
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
