"""Which worker is due for replacement, and why. Pure, but for reading the scoreboard."""

from __future__ import annotations

from supervisor.master.leaving import Leave, Reason
from supervisor.master.worker import Stage, WorkerHandle
from supervisor.settings import Settings


def reason(handle: WorkerHandle, settings: Settings, generation: int, now_ns: int, grown: int) -> Leave | None:
    """Why this worker should be replaced; None when it should not.

    ``grown`` is by how many bytes its tree is larger than when it got ready (0 where nobody looked).
    """
    if handle.stage is not Stage.READY or handle.kill is not None:
        return None
    if handle.generation < generation:
        return Leave(Reason.NEW_CODE, "new code")
    if handle.unwanted:
        return Leave(Reason.ASKED, "somebody asked for it")
    if handle.due_for_recycling:
        return Leave(Reason.MAX_TASKS, f"it ran {handle.max_tasks} tasks")
    return _worn(handle, settings, now_ns, grown)


def _worn(handle: WorkerHandle, settings: Settings, now_ns: int, grown: int) -> Leave | None:
    if settings.max_age is not None and now_ns - handle.ready_ns > settings.max_age * 1e9:
        return Leave(Reason.MAX_AGE, f"it is older than {settings.max_age:g} s")
    if settings.max_memory is not None and grown > settings.max_memory:
        return Leave(Reason.MAX_MEMORY, f"it has grown by {grown >> 20} MiB")
    return None
