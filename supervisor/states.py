"""The states that a task can be in, and the causes for which an attempt can end.

::

    scheduled -> queued -> running -> succeeded
        ^          ^          |-> retrying -> (queued)
        |       blocked       |-> failed | timed_out | lost | cancelled
                                  expired (not started in time)
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a task is in its life. A ``str``, so it compares and serialises as its value."""

    SCHEDULED = "scheduled"
    """Waits for its time."""
    QUEUED = "queued"
    """Waits for a worker."""
    BLOCKED = "blocked"
    """Waits for other tasks."""
    RUNNING = "running"
    """A worker has it."""
    RETRYING = "retrying"
    """An attempt failed; waits for the next."""
    SUCCEEDED = "succeeded"
    """Returned."""
    FAILED = "failed"
    """Raised, and has no retries left."""
    TIMED_OUT = "timed_out"
    """Was killed at its hard limit, and has no retries left."""
    LOST = "lost"
    """Its process died (signal, exit, memory) until the crash budget was used up."""
    CANCELLED = "cancelled"
    """Was cancelled by a caller."""
    EXPIRED = "expired"
    """Was not started in the time given for it."""

    __hash__ = str.__hash__  # that of an Enum is written in Python, and states are looked up on every task's way

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return self in _ENDED


_ENDED = frozenset({State.SUCCEEDED, State.FAILED, State.TIMED_OUT, State.LOST, State.CANCELLED, State.EXPIRED})


class Cause(StrEnum):
    """Why an attempt ended otherwise than by returning."""

    EXCEPTION = "exception"
    """The task raised."""
    SOFT_TIMEOUT = "soft_timeout"
    """The task let the soft limit's exception through."""
    TIMEOUT = "timeout"
    """Killed at the hard limit."""
    SIGNAL = "signal"
    """The process died by a signal that nobody here sent, a segmentation fault say."""
    EXIT = "exit"
    """The process left by itself in the middle of the task, ``os._exit`` say."""
    MEMORY = "memory"
    """Killed for its memory, by its limit, the budget or the kernel."""
    CANCELLED = "cancelled"
    """Cancelled by a caller."""
    SHUTDOWN = "shutdown"
    """Stopped since the supervisor stopped; put back, not counted."""
    REJECTED = "rejected"
    """It said that no further attempt would help."""
    EXPIRED = "expired"
    """Not started in the time given for it."""
    PARENT = "parent"
    """A task that it waited for did not succeed."""
    ABORT = "abort"
    """The whole tree of processes died at once; counted on a budget of its own."""
