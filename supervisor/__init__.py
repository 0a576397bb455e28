"""Background tasks for Python web applications under Gunicorn, in processes that can really be killed.

The names below are imported when they are first asked for: the supervisor's own small processes are of this package
too, and need neither asyncio nor pickling.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervisor.config import Priority, TaskConfig
    from supervisor.core.plan import Misfire, Overlap
    from supervisor.current import CurrentTask, current_task
    from supervisor.errors import (
        AlreadyRunningError,
        DeadlockError,
        DependencyCycleError,
        JournalFullError,
        KeyHeldError,
        LocalTreeError,
        MessageTooLargeError,
        NameTakenError,
        PayloadRefusedError,
        QueueClosedError,
        QueueFullError,
        QueueUnavailableError,
        ResultExpiredError,
        ScheduleDeclaredError,
        ScheduleError,
        SerializationError,
        SettingsError,
        SoftTimeoutError,
        SupervisorError,
        TaskCancelledError,
        TaskExpiredError,
        TaskFailedError,
        TaskNeededError,
        TaskOptionError,
        TaskTimeoutError,
        UnknownGroupError,
        UnknownHandlerError,
        UnknownScheduleError,
        UnknownTaskError,
        WaitTimeoutError,
        WorkerLostError,
    )
    from supervisor.group_handle import GroupHandle, GroupProgress
    from supervisor.handle import Handle
    from supervisor.hooks import on_worker_start, on_worker_stop
    from supervisor.policy import Reject, Retry
    from supervisor.presets import high_priority_config, quick_config, reliable_config
    from supervisor.records import AttemptRecord, ErrorInfo, Progress, ScheduleRecord, TaskRecord
    from supervisor.schedules import schedule
    from supervisor.states import Cause, State
    from supervisor.steps import Chain, Group, Step, chain, group
    from supervisor.taskqueue import TaskQueue, queue
    from supervisor.tasks import Task, task

__version__ = "0.1.0"

_ERRORS = (
    "AlreadyRunningError DeadlockError DependencyCycleError JournalFullError KeyHeldError LocalTreeError"
    " MessageTooLargeError NameTakenError PayloadRefusedError"
    " QueueClosedError QueueFullError QueueUnavailableError ResultExpiredError ScheduleDeclaredError"
    " ScheduleError SerializationError SettingsError SoftTimeoutError SupervisorError TaskCancelledError"
    " TaskExpiredError TaskFailedError TaskNeededError TaskOptionError TaskTimeoutError"
    " UnknownGroupError UnknownHandlerError"
    " UnknownScheduleError UnknownTaskError WaitTimeoutError WorkerLostError"
)
_HOMES = {
    "supervisor.config": "Priority TaskConfig",
    "supervisor.current": "CurrentTask current_task",
    "supervisor.core.plan": "Misfire Overlap",
    "supervisor.errors": _ERRORS,
    "supervisor.group_handle": "GroupHandle GroupProgress",
    "supervisor.handle": "Handle",
    "supervisor.hooks": "on_worker_start on_worker_stop",
    "supervisor.policy": "Reject Retry",
    "supervisor.presets": "high_priority_config quick_config reliable_config",
    "supervisor.records": "AttemptRecord ErrorInfo Progress ScheduleRecord TaskRecord",
    "supervisor.schedules": "schedule",
    "supervisor.states": "Cause State",
    "supervisor.steps": "Chain Group Step chain group",
    "supervisor.taskqueue": "TaskQueue queue",
    "supervisor.tasks": "Task task",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "AlreadyRunningError",
    "AttemptRecord",
    "Cause",
    "Chain",
    "CurrentTask",
    "DeadlockError",
    "DependencyCycleError",
    "ErrorInfo",
    "Group",
    "GroupHandle",
    "GroupProgress",
    "Handle",
    "JournalFullError",
    "KeyHeldError",
    "LocalTreeError",
    "MessageTooLargeError",
    "Misfire",
    "NameTakenError",
    "Overlap",
    "PayloadRefusedError",
    "Priority",
    "Progress",
    "QueueClosedError",
    "QueueFullError",
    "QueueUnavailableError",
    "Reject",
    "ResultExpiredError",
    "Retry",
    "ScheduleDeclaredError",
    "ScheduleError",
    "ScheduleRecord",
    "SerializationError",
    "SettingsError",
    "SoftTimeoutError",
    "State",
    "Step",
    "SupervisorError",
    "Task",
    "TaskCancelledError",
    "TaskConfig",
    "TaskExpiredError",
    "TaskFailedError",
    "TaskNeededError",
    "TaskOptionError",
    "TaskQueue",
    "TaskRecord",
    "TaskTimeoutError",
    "UnknownGroupError",
    "UnknownHandlerError",
    "UnknownScheduleError",
    "UnknownTaskError",
    "WaitTimeoutError",
    "WorkerLostError",
    "__version__",
    "chain",
    "current_task",
    "group",
    "high_priority_config",
    "on_worker_start",
    "on_worker_stop",
    "queue",
    "quick_config",
    "reliable_config",
    "schedule",
    "task",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
