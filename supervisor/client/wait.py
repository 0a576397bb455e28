"""Waiting for the end of a task."""

from __future__ import annotations

import math
import time

from supervisor.client import calls
from supervisor.client.calls import Call
from supervisor.current import running_task
from supervisor.errors import (
    TaskCancelledError,
    TaskExpiredError,
    TaskFailedError,
    TaskTimeoutError,
    UnknownTaskError,
    WaitTimeoutError,
    WorkerLostError,
)
from supervisor.ids import id_of
from supervisor.records import TaskRecord
from supervisor.states import Cause, State
from supervisor.wire.messages import TaskRow

_SLICE = 5.0
"""Short, since a Ctrl-C in the instant before a receive blocks is only seen when that has ended."""


class Wait:
    """Waiting in slices, so that a supervisor that is replaced meanwhile is asked again."""

    def __init__(self, task_id: str, timeout: float | None) -> None:
        self._id = id_of(task_id)
        self._text = task_id
        self._timeout = timeout
        self._until = math.inf if timeout is None else time.monotonic() + timeout

    def call(self) -> Call[TaskRow | None]:
        """The next slice."""
        left = min(_SLICE, max(0.0, self._until - time.monotonic()))
        by = running_task()
        if by is not None:
            return calls.wait_within(self._id, left, by)
        return calls.wait(self._id, left, with_result=True)

    def ended(self, row: TaskRow | None) -> TaskRow | None:
        """The row, if the task has ended; None to go on waiting."""
        if row is None:
            raise UnknownTaskError(self._text)
        if State(row.state).ended:
            return row
        if time.monotonic() >= self._until:
            raise WaitTimeoutError(self._text, self._timeout or 0.0)
        return None


def raise_for_end(record: TaskRecord) -> TaskRecord:
    """The record of a task that succeeded or failed; the error that stands for any other end."""
    error = record.error
    match record.state:
        case State.TIMED_OUT:
            raise TaskTimeoutError(record.id, record.timeout, error.stack if error else None)
        case State.CANCELLED:
            raise TaskCancelledError(record.id, error.message if error and record.cause is Cause.PARENT else "")
        case State.LOST:
            raise WorkerLostError(record.id, error.message if error else "its process died")
        case State.EXPIRED:
            raise TaskExpiredError(record.id)
        case _:
            return record


def failure_of(record: TaskRecord) -> TaskFailedError:
    """The error of a task that failed."""
    error = record.error
    if error is None:
        return TaskFailedError(record.id, "", "", "")
    return TaskFailedError(record.id, error.type, error.message, error.traceback)
