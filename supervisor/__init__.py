"""Background tasks for Python web applications under Gunicorn, in processes that can really be killed.

The names below are imported when they are first asked for: the supervisor's own small processes are of this package
too, and need neither asyncio nor pickling.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervisor.captured import capture
    from supervisor.config import TaskConfig
    from supervisor.core.missed import MissCause
    from supervisor.core.plan import Misfire, Overlap
    from supervisor.current import CurrentTask, commit_context, current_task, get_context, set_context, track
    from supervisor.errors import (
        AlreadyRunningError,
        ContextError,
        DeadlockError,
        DependencyCycleError,
        HookSignatureError,
        JournalFullError,
        KeyHeldError,
        LocalTreeError,
        MessageTooLargeError,
        NameTakenError,
        NotInTaskError,
        PayloadRefusedError,
        QueueClosedError,
        QueueDrainingError,
        QueueFullError,
        QueueUnavailableError,
        ResultExpiredError,
        ScheduleDeclaredError,
        ScheduleError,
        SerializationError,
        SettingsError,
        SoftTimeoutError,
        StandstillError,
        StreamForkError,
        StreamRestartedError,
        SupervisorError,
        TaskCancelledError,
        TaskExpiredError,
        TaskFailedError,
        TaskNeededError,
        TaskOptionError,
        TaskTimeoutError,
        TooManyWaitingError,
        UnknownGroupError,
        UnknownHandlerError,
        UnknownScheduleError,
        UnknownTaskError,
        WaitTimeoutError,
        WorkerLostError,
    )
    from supervisor.group_handle import GroupHandle, GroupProgress
    from supervisor.handle import Handle, StreamHandle
    from supervisor.hidden import HIDDEN
    from supervisor.hooks import on_worker_start, on_worker_stop
    from supervisor.internal_tasks import DeadTask
    from supervisor.new_task import NewTask
    from supervisor.policy import Reject, Retry
    from supervisor.presets import high_priority_config, quick_config, reliable_config
    from supervisor.priority import Priority
    from supervisor.queue_stats import Figures, QueueStats, Times
    from supervisor.records import (
        AttemptRecord,
        ErrorInfo,
        LogLine,
        Profile,
        Progress,
        ScheduleRecord,
        TaskProgress,
        TaskRecord,
    )
    from supervisor.schedules import schedule
    from supervisor.states import Cause, State
    from supervisor.steps import Chain, Group, Step, chain, group
    from supervisor.task_hooks import on_backlog, on_death, on_post_create, on_post_run, on_pre_create, on_pre_run
    from supervisor.taskqueue import TaskQueue, queue
    from supervisor.tasks import Task, task
    from supervisor.worker_records import ActiveTask, ChangeRecord, WorkerRecord

__version__ = "0.1.0"

_ERRORS = (
    "AlreadyRunningError ContextError DeadlockError DependencyCycleError HookSignatureError"
    " JournalFullError KeyHeldError LocalTreeError MessageTooLargeError NameTakenError NotInTaskError"
    " PayloadRefusedError QueueClosedError QueueDrainingError QueueFullError QueueUnavailableError"
    " ResultExpiredError ScheduleDeclaredError ScheduleError SerializationError SettingsError"
    " SoftTimeoutError StandstillError StreamForkError StreamRestartedError SupervisorError"
    " TaskCancelledError TaskExpiredError TaskFailedError TaskNeededError TaskOptionError"
    " TaskTimeoutError TooManyWaitingError UnknownGroupError UnknownHandlerError UnknownScheduleError"
    " UnknownTaskError WaitTimeoutError WorkerLostError"
)
_HOMES = {
    "supervisor.captured": "capture",
    "supervisor.config": "TaskConfig",
    "supervisor.core.missed": "MissCause",
    "supervisor.core.plan": "Misfire Overlap",
    "supervisor.current": "CurrentTask commit_context current_task get_context set_context track",
    "supervisor.errors": _ERRORS,
    "supervisor.group_handle": "GroupHandle GroupProgress",
    "supervisor.handle": "Handle StreamHandle",
    "supervisor.hidden": "HIDDEN",
    "supervisor.hooks": "on_worker_start on_worker_stop",
    "supervisor.internal_tasks": "DeadTask",
    "supervisor.new_task": "NewTask",
    "supervisor.policy": "Reject Retry",
    "supervisor.priority": "Priority",
    "supervisor.presets": "high_priority_config quick_config reliable_config",
    "supervisor.queue_stats": "Figures QueueStats Times",
    "supervisor.records": "AttemptRecord ErrorInfo LogLine Profile Progress ScheduleRecord TaskProgress TaskRecord",
    "supervisor.schedules": "schedule",
    "supervisor.states": "Cause State",
    "supervisor.steps": "Chain Group Step chain group",
    "supervisor.task_hooks": "on_backlog on_death on_post_create on_post_run on_pre_create on_pre_run",
    "supervisor.taskqueue": "TaskQueue queue",
    "supervisor.tasks": "Task task",
    "supervisor.worker_records": "ActiveTask ChangeRecord WorkerRecord",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "HIDDEN",
    "ActiveTask",
    "AlreadyRunningError",
    "AttemptRecord",
    "Cause",
    "Chain",
    "ChangeRecord",
    "ContextError",
    "CurrentTask",
    "DeadTask",
    "DeadlockError",
    "DependencyCycleError",
    "ErrorInfo",
    "Figures",
    "Group",
    "GroupHandle",
    "GroupProgress",
    "Handle",
    "HookSignatureError",
    "JournalFullError",
    "KeyHeldError",
    "LocalTreeError",
    "LogLine",
    "MessageTooLargeError",
    "Misfire",
    "MissCause",
    "NameTakenError",
    "NewTask",
    "NotInTaskError",
    "Overlap",
    "PayloadRefusedError",
    "Priority",
    "Profile",
    "Progress",
    "QueueClosedError",
    "QueueDrainingError",
    "QueueFullError",
    "QueueStats",
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
    "StandstillError",
    "State",
    "Step",
    "StreamForkError",
    "StreamHandle",
    "StreamRestartedError",
    "SupervisorError",
    "Task",
    "TaskCancelledError",
    "TaskConfig",
    "TaskExpiredError",
    "TaskFailedError",
    "TaskNeededError",
    "TaskOptionError",
    "TaskProgress",
    "TaskQueue",
    "TaskRecord",
    "TaskTimeoutError",
    "Times",
    "TooManyWaitingError",
    "UnknownGroupError",
    "UnknownHandlerError",
    "UnknownScheduleError",
    "UnknownTaskError",
    "WaitTimeoutError",
    "WorkerLostError",
    "WorkerRecord",
    "__version__",
    "capture",
    "chain",
    "commit_context",
    "current_task",
    "get_context",
    "group",
    "high_priority_config",
    "on_backlog",
    "on_death",
    "on_post_create",
    "on_post_run",
    "on_pre_create",
    "on_pre_run",
    "on_worker_start",
    "on_worker_stop",
    "queue",
    "quick_config",
    "reliable_config",
    "schedule",
    "set_context",
    "task",
    "track",
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
