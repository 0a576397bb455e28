"""The guardian from the master's point of view: its parent, or, where that was killed, one that it started itself."""

from __future__ import annotations

import os
import signal

from supervisor.directory import Directory
from supervisor.launch import start
from supervisor.log import log
from supervisor.scoreboard import Scoreboard
from supervisor.system import proc


class GuardianHandle:
    """Followed by pidfd; ``descriptor`` becomes readable when it dies (-1 once nobody is to take its place)."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.descriptor = os.pidfd_open(pid)
        self._stopped = False
        self.restarts = 0

    def replace(self, directory: Directory, board: Scoreboard, wake: int) -> None:
        """It died: start another, which adopts us."""
        self.forget()
        log.error("the guardian (pid %d) died: a new one is started", self.pid)
        arguments = [f"--dir={directory}", f"--adopt={os.getpid()}", f"--board={board.descriptor}", f"--wake={wake}"]
        started = start("supervisor.guardian", arguments, [board.descriptor, wake])
        self.pid, self.descriptor = started.pid, started.pidfd
        self.restarts += 1

    def check(self) -> None:
        """Kill one that is stopped at two looks in a row: it would not notice our end."""
        stopped = self.descriptor >= 0 and proc.is_stopped(self.pid)
        if stopped and self._stopped:
            log.error("the guardian (pid %d) is stopped: killed", self.pid)
            signal.pidfd_send_signal(self.descriptor, signal.SIGKILL)
        self._stopped = stopped

    def forget(self) -> None:
        """Look after it no more."""
        os.close(self.descriptor)
        self.descriptor = -1
