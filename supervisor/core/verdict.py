"""What becomes of a task when an attempt of it has ended otherwise than well.

After a kill a task may have its own error handler asked. The attempt is charged first and by the same rule, so what
the handler says is no more than whether the task makes use of what it has left.
"""

from __future__ import annotations

from supervisor.core.entry import Entry, Failure
from supervisor.states import Cause, State

_UNCOUNTED = frozenset({Cause.SHUTDOWN})
_CRASHES = frozenset({Cause.SIGNAL, Cause.EXIT, Cause.MEMORY})
_ASKED_ABOUT = _CRASHES | {Cause.TIMEOUT}


def judge(entry: Entry, failure: Failure) -> State:
    """Count the attempt on its budget and say where the task goes: RETRYING, QUEUED or an end.

    Three budgets, apart from each other: failures against ``max_retries``, deaths of the process against the crash
    budget (a task that kills its process must not do so for ever), deaths of the whole tree against a larger one
    (they are rarely the task's fault).
    """
    kind, counts, cause = entry.kind, entry.counts, failure.cause
    if cause is Cause.CANCELLED:
        return State.CANCELLED
    if cause in _UNCOUNTED:
        return State.QUEUED
    if cause is Cause.ABORT:
        entry.counts = counts._replace(aborts=counts.aborts + 1)
        return State.QUEUED if entry.counts.aborts < kind.abort_budget else State.LOST
    if cause in _CRASHES:
        entry.counts = counts._replace(crashes=counts.crashes + 1)
        return State.QUEUED if entry.counts.crashes < kind.crash_budget else State.LOST
    entry.counts = counts._replace(failures=counts.failures + 1)
    if cause is not Cause.REJECTED and entry.counts.failures <= kind.max_retries:
        return State.RETRYING
    return State.TIMED_OUT if cause is Cause.TIMEOUT else State.FAILED


def asks(entry: Entry, cause: Cause) -> bool:
    """Whether the task's error handler is to be asked after an attempt that ended so, with another one left."""
    return entry.kind.options.error_handler and cause in _ASKED_ABOUT


def answered(cause: Cause, *, again: bool) -> State:
    """Where a task goes that was asked about a kill for this cause."""
    if cause is Cause.TIMEOUT:
        return State.RETRYING if again else State.TIMED_OUT
    return State.QUEUED if again else State.LOST
