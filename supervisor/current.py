"""The task that runs in this process, for the code inside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from supervisor.errors import NotInTaskError
from supervisor.ids import to_text
from supervisor.wire.messages import Grant, ProgressData
from supervisor.worker.output import Talk


@dataclass(frozen=True, slots=True)
class CurrentTask:
    """What a task may know and say of itself."""

    grant: Grant
    talk: Talk
    deadline: float | None
    """Monotonic seconds."""
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

    def time_left(self) -> float | None:
        """Seconds until the hard limit kills this attempt; None when it has none."""
        return None if self.deadline is None else max(0.0, self.deadline - self.clock())

    def progress(self, done: float, total: float | None = None, message: str = "") -> None:
        """Tell how far it is, in any unit. Cheap to call often: at most ten reports a second are sent."""
        self.talk.progress(ProgressData(float(done), None if total is None else float(total), message))


_current: CurrentTask | None = None


def current_task() -> CurrentTask:
    """The task that runs in this process; NotInTaskError outside of one."""
    if _current is None:
        raise NotInTaskError
    return _current


def enter(task: CurrentTask | None) -> None:
    """This task runs from now on (None: no task)."""
    global _current  # noqa: PLW0603  one task a process, by design; a context variable would hide it from its threads
    _current = task
