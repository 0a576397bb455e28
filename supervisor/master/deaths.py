"""Reading a process's exit status as the end of an attempt."""

from __future__ import annotations

import os
import signal

from supervisor.core.entry import Death
from supervisor.master.worker import KillStage, Stage, WorkerHandle
from supervisor.states import Cause
from supervisor.system import proc


class DeathReader:
    """Tells an out-of-memory kill from another by the kernel's own count."""

    def __init__(self) -> None:
        self._oom_kills = proc.oom_kills()

    def read(self, handle: WorkerHandle, status: int) -> Death:
        """Why this worker ended."""
        kill = handle.kill
        running = handle.slot.running()
        if kill is not None and kill.stage is KillStage.KILLED:
            return Death(kill.cause, kill.message, kill.stack)
        busy = running is None or running.running
        if handle.stage is Stage.RETIRING and not busy:
            return Death(Cause.SHUTDOWN, "the worker was replaced")  # however: it may not even have got ready
        if os.WIFSIGNALED(status):
            return self._signalled(os.WTERMSIG(status), handle.read_stack())
        code = os.WEXITSTATUS(status)
        where = "in the middle of the task" if busy else "between tasks"
        return Death(Cause.EXIT, f"its process left with exit code {code} {where}", handle.read_stack())

    def _signalled(self, signum: int, stack: str | None) -> Death:
        if signum == signal.SIGKILL:
            kills = proc.oom_kills()
            if kills > self._oom_kills:
                self._oom_kills = kills
                return Death(Cause.MEMORY, "the kernel was out of memory and killed its process (SIGKILL)")
        try:
            name = signal.Signals(signum).name
        except ValueError:
            name = f"signal {signum}"
        return Death(Cause.SIGNAL, f"its process was killed by {name}", stack)
