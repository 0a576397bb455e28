"""When a task that failed runs again, in its own words: by the type of the error, or by a handler that it brings.

A policy travels with the function and is looked at in workers only; the broker knows no more of it than whether it
wants to be asked after a kill. Whatever a policy says, it decides within the number of retries that is left.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from supervisor.errors import SupervisorError, TaskOptionError, TaskTimeoutError, WorkerLostError
from supervisor.settings.kind import Duration

ErrorType: TypeAlias = type[BaseException]
ErrorHandler: TypeAlias = Callable[[str, BaseException, int], bool | Awaitable[bool]]
_KILLS = (TaskTimeoutError, WorkerLostError)


class Retry(SupervisorError):  # noqa: N818  a request, not a fault
    """Raise it in a task, or its error handler, to have the task run again.

    ``in_`` is the time until then, in seconds or as text such as "5m"; without it the task's own delay is taken.
    It counts as a failed attempt: after the last one it has the task end as failed. ``reason`` is kept with the
    attempt; ``raise Retry(in_=60) from error`` keeps what led to it as well.
    """

    reason = ""  # here too, for subclasses that do not call our __init__
    in_: float | None = None

    def __init__(self, reason: str = "", *, in_: float | str | None = None) -> None:
        given: object = reason
        if isinstance(given, int | float):
            raise TypeError(f"Retry({reason!r}) names no reason; a time is given as Retry(in_={reason!r})")
        self.reason = reason
        self.in_ = None if in_ is None else _seconds(in_)
        when = "" if self.in_ is None else f" in {self.in_:.10g} s"
        super().__init__(f"to be run again{when}" + (f": {reason}" if reason else ""))


class Reject(SupervisorError):  # noqa: N818
    """Raise it in a task, or its error handler, to have the task end as failed at once, whatever retries are left."""

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        super().__init__(f"rejected: {reason}" if reason else "rejected")


@dataclass(frozen=True, slots=True)
class Policy:
    """The three options of a task that say after which errors it runs again."""

    retry_on: tuple[ErrorType, ...] | None = None
    """Run again after these errors only; None for after any."""
    never_retry_on: tuple[ErrorType, ...] = ()
    """Never run again after these, not even when ``retry_on`` names them too."""
    error_handler: ErrorHandler | None = None
    """Asked where the types leave it open: ``(task_id, error, attempt) -> bool``."""

    def forbids(self, error: ErrorType) -> bool:
        """Whether the type of the error alone rules another attempt out.

        The death of a worker (WorkerLostError) is rarely the word of the task that ran there, so ``retry_on`` need
        not name it.
        """
        if issubclass(error, self.never_retry_on):
            return True
        allowed = self.retry_on
        return allowed is not None and not issubclass(error, (*allowed, WorkerLostError))

    @property
    def asks_after_kill(self) -> bool:
        """Whether a worker has to be asked what comes after a kill, since the broker cannot know."""
        return self.error_handler is not None or any(map(self.forbids, _KILLS))

    def __bool__(self) -> bool:
        return self != NO_POLICY


NO_POLICY = Policy()


def _seconds(value: float | str) -> float:
    kind = Duration(above=False)
    try:
        return kind.read(value)
    except (ValueError, TypeError):
        raise TaskOptionError("in_", value, kind.expects) from None
