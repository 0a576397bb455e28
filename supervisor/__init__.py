"""Background tasks for Python web applications under Gunicorn, in processes that can really be killed."""

from __future__ import annotations

from supervisor.config import Priority, TaskConfig
from supervisor.current import CurrentTask, current_task
from supervisor.errors import (
    AlreadyRunningError,
    JournalFullError,
    QueueClosedError,
    QueueFullError,
    QueueUnavailableError,
    SerializationError,
    SettingsError,
    SoftTimeoutError,
    SupervisorError,
    TaskCancelledError,
    TaskExpiredError,
    TaskFailedError,
    TaskOptionError,
    TaskTimeoutError,
    UnknownTaskError,
    WaitTimeoutError,
    WorkerLostError,
)
from supervisor.handle import Handle
from supervisor.hooks import on_worker_start, on_worker_stop
from supervisor.records import ErrorInfo, Progress, TaskRecord
from supervisor.states import Cause, State
from supervisor.taskqueue import TaskQueue, queue
from supervisor.tasks import Task, task

__version__ = "0.1.0"

__all__ = [
    "AlreadyRunningError",
    "Cause",
    "CurrentTask",
    "ErrorInfo",
    "Handle",
    "JournalFullError",
    "Priority",
    "Progress",
    "QueueClosedError",
    "QueueFullError",
    "QueueUnavailableError",
    "SerializationError",
    "SettingsError",
    "SoftTimeoutError",
    "State",
    "SupervisorError",
    "Task",
    "TaskCancelledError",
    "TaskConfig",
    "TaskExpiredError",
    "TaskFailedError",
    "TaskOptionError",
    "TaskQueue",
    "TaskRecord",
    "TaskTimeoutError",
    "UnknownTaskError",
    "WaitTimeoutError",
    "WorkerLostError",
    "__version__",
    "current_task",
    "on_worker_start",
    "on_worker_stop",
    "queue",
    "task",
]
