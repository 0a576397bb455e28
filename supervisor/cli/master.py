"""What commands ask of the master."""

from __future__ import annotations

import time

from supervisor.directory import Directory
from supervisor.errors import SupervisorError
from supervisor.master.control import ask

_STACK_SECONDS = 2.0
_LOOK_SECONDS = 0.02


class NoWorkerError(SupervisorError):
    """No worker that is ready has this pid."""

    def __init__(self, pid: int, reason: str) -> None:
        super().__init__(f"process {pid}: {reason}; `supervisor status` lists the workers")


def recycle(directory: Directory, pid: int) -> list[int]:
    """Have a worker (0: each) replaced after its task; the pids of those that were asked."""
    answer = ask(directory, "recycle", {"pid": pid})
    asked = answer.get("asked")
    found = [int(each) for each in asked] if isinstance(asked, list) else []
    if pid and not found:
        raise NoWorkerError(pid, "there is no such worker")
    return found


def stack(directory: Directory, pid: int) -> str:
    """Where a worker is, and each of its threads: as Python's faulthandler writes it, the innermost call first."""
    until = time.monotonic() + _STACK_SECONDS
    answer = ask(directory, "stack", {"pid": pid})
    while "error" not in answer and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
        answer = ask(directory, "stack", {"pid": pid, "take": True})
        if isinstance(answer.get("stack"), str):
            return str(answer["stack"])
    raise NoWorkerError(pid, str(answer.get("error", f"it wrote no stack within {_STACK_SECONDS:g} s")))
