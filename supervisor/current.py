"""The task that runs in this process, for the code inside it."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, TypeVar, overload

from msgspec import Struct

from supervisor import tracking
from supervisor.errors import NotInTaskError
from supervisor.ids import to_text
from supervisor.wire.messages import Grant, ProgressData
from supervisor.wire.talk import Kind
from supervisor.worker.notes import Context
from supervisor.worker.output import Talk

T = TypeVar("T")


class CurrentTask(Struct, frozen=True, eq=False):
    """What a task may know and say of itself."""

    # A Struct, since there is one for each attempt: a frozen dataclass takes ten times as long to make.

    grant: Grant
    talk: Talk
    deadline: float | None
    """Monotonic seconds at which the hard limit kills this attempt; None when it has none."""
    clock: Callable[[], float] = time.monotonic

    @property
    def id(self) -> str:
        """Its id."""
        return to_text(self.grant.id)

    @property
    def name(self) -> str:
        """The name that it was submitted under."""
        return self.grant.name

    @property
    def attempt(self) -> int:
        """1 for the first attempt."""
        return self.grant.attempt

    @property
    def log(self) -> logging.Logger:
        """A logger by the name of the task. What any other logger gets is kept as well."""
        return _logger(self.grant.name)

    def time_left(self) -> float | None:
        """Seconds until the hard limit kills this attempt; None when it has none."""
        return None if self.deadline is None else max(0.0, self.deadline - self.clock())

    # -- progress ----------------------------------------------------------------------------------------------

    def progress(self, done: float, total: float | None = None, message: str = "") -> None:
        """Tell how far it is, in any unit. Cheap to call often: at most ten reports a second are sent, and the last.

        From what it tells follow its rate, and when it will be done: see :class:`Progress`.
        """
        self.talk.progress(ProgressData(float(done), None if total is None else float(total), message))

    @overload
    def track(self, iterable: Iterable[T], total: float | None = None, message: str = "") -> Iterator[T]: ...
    @overload
    def track(self, iterable: AsyncIterable[T], total: float | None = None, message: str = "") -> AsyncIterator[T]: ...
    def track(
        self, iterable: Iterable[T] | AsyncIterable[T], total: float | None = None, message: str = ""
    ) -> Iterator[T] | AsyncIterator[T]:
        """The items of ``iterable``, telling as progress how many of them are done.

        ``total`` is how many there are; by default what ``len`` says, where it says something.
        """
        return tracking.track(self, iterable, total, message)

    # -- context -----------------------------------------------------------------------------------------------

    @property
    def context(self) -> dict[str, Any]:
        """A copy of its context."""
        return dict(_context().get(None, None))

    def set_context(self, key: str, value: object, auto_commit: bool = True) -> None:
        """Put plain data into its context, at ``a.b.c`` say: mappings on the way are made.

        It is there in later attempts, and can be read with the task's record by anybody who asks, from the moment on
        that it is committed: at once, or with :meth:`commit_context` where ``auto_commit`` is False, or at the end of
        the attempt. What was committed outlives the kill of any process.

        Raises ContextError for what is no plain data, and above 64 KiB as JSON in all.
        """
        _context().set(key, value, auto_commit=auto_commit)

    def get_context(self, key: str | None = None, default: Any = None) -> Any:
        """What its context holds at ``a.b.c``, or ``default``; without a key, all of it."""
        return _context().get(key, default)

    def commit_context(self) -> None:
        """Make sure that what was put into the context is kept."""
        _context().commit()


@lru_cache(maxsize=128)
def _logger(name: str) -> logging.Logger:
    """Beside those that ``logging.getLogger`` makes: it never forgets one, and callers may choose any name."""
    made = logging.Logger(name)
    made.parent = logging.root
    return made


_current: CurrentTask | None = None
_contexts: dict[int, Context] = {}
"""The context of the lease that runs, once it was asked for. A dict, since several threads may be the first to ask."""


def current_task() -> CurrentTask:
    """The task that runs in this process; NotInTaskError outside of one."""
    if _current is None:
        raise NotInTaskError
    return _current


def running_task() -> bytes | None:
    """The id of the task that runs in this process; None outside of one."""
    return None if _current is None else _current.grant.id


def _context() -> Context:
    """The context of the task that runs, opened when it is first asked for: most never ask."""
    task = current_task()
    talk, lease, extra = task.talk, task.grant.lease, task.grant.extra
    found = _contexts.get(lease)
    if found is None:
        new = Context(extra.context if extra else b"", lambda data: talk.send(Kind.CONTEXT, data))
        found = _contexts.setdefault(lease, new)
    return found


def enter(task: CurrentTask | None) -> None:
    """This task runs from now on (None: no task)."""
    global _current  # noqa: PLW0603  one task a process, by design; a context variable would hide it from its threads
    if _contexts:
        for context in _contexts.values():
            context.commit()
        _contexts.clear()
    _current = task


@overload
def track(iterable: Iterable[T], total: float | None = None, message: str = "") -> Iterator[T]: ...
@overload
def track(iterable: AsyncIterable[T], total: float | None = None, message: str = "") -> AsyncIterator[T]: ...
def track(
    iterable: Iterable[T] | AsyncIterable[T], total: float | None = None, message: str = ""
) -> Iterator[T] | AsyncIterator[T]:
    """:meth:`CurrentTask.track` of the task that runs; where none runs, just the items."""
    return tracking.track(_current, iterable, total, message)


def set_context(key: str, value: object, auto_commit: bool = True) -> None:
    """:meth:`CurrentTask.set_context` of the task that runs; NotInTaskError outside of one."""
    current_task().set_context(key, value, auto_commit)


def get_context(key: str | None = None, default: Any = None) -> Any:
    """:meth:`CurrentTask.get_context` of the task that runs; NotInTaskError outside of one."""
    return current_task().get_context(key, default)


def commit_context() -> None:
    """:meth:`CurrentTask.commit_context` of the task that runs; NotInTaskError outside of one."""
    current_task().commit_context()
