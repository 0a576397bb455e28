"""A real supervisor of its own for a test: started, looked at, and ended with everything that belongs to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from supervisor import TaskQueue
from supervisor.directory import Directory
from supervisor.errors import SupervisorError
from supervisor.master.control import ask
from supervisor.system import lock, proc
from tests.support.waiting import until

_RUN = """
import json, sys
from supervisor.settings import Settings
from supervisor.standalone import run
chosen = json.loads(sys.argv[1])
run(Settings.load(command_line=chosen).settings, sys.argv[2])
"""


class RunningTree:
    """``supervisor run`` in a process of its own, with the tasks of ``tests.support.tasks``."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.dir = folder / "sv"
        self.settings = {
            "dir": str(self.dir),
            "tasks": "tests.support.tasks",
            "workers": 2,
            "log_level": "debug",
            "retry_delay": "50ms",
            "retry_jitter": "0s",
            "backoff": 1,
            **settings,
        }
        self.title = "test"
        self.environment: dict[str, str] = {}
        """What its processes find there beside what ours do."""
        self.log = folder / "log.txt"
        self.output: socket.socket | None = None
        """Where its processes write, if not into the log."""
        self.process: subprocess.Popen[bytes] | None = None
        self.queue = TaskQueue(self.dir, timeout=10.0)
        self._seen: set[proc.Identity] = set()

    def start(self, *, wait: bool = True) -> RunningTree:
        """Start it, and wait until its workers are ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _RUN, json.dumps(self.settings), self.title],
                stdin=subprocess.DEVNULL,
                stdout=self.output.fileno() if self.output else log,
                stderr=self.output.fileno() if self.output else log,
                cwd=Path(__file__).parent.parent.parent,
                env={
                    **{name: value for name, value in os.environ.items() if not name.startswith("SUPERVISOR_")},
                    **self.environment,
                },
            )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, count: int | None = None, timeout: float = 20.0) -> dict[str, Any]:
        """Wait until ``count`` workers (default: all) are ready; the status."""

        def ready() -> dict[str, Any] | None:
            status = self.status()
            wanted = status["wanted"] if status and count is None else count
            return status if status and status["ready"] >= wanted else None

        return until(ready, f"workers ready; the log says:\n{self.tail()}", timeout)

    def status(self) -> dict[str, Any] | None:
        """What the master says of itself; None while there is none."""
        try:
            status: dict[str, Any] = ask(Directory(self.dir), "status", timeout=5.0)
        except SupervisorError:
            return None
        self.remember()
        return status

    def pid_of(self, role: str) -> int:
        """The pid of ``master``, ``guardian``, ``broker`` or ``template``."""
        status = until(self.status, f"a master that answers; the log says:\n{self.tail()}")
        found = status[role]
        return int(found["pid"] if isinstance(found, dict) else found)

    def worker_pids(self) -> list[int]:
        """The pids of the workers."""
        status = until(self.status, "a master that answers")
        return [worker["pid"] for worker in status["workers"] if worker["pid"]]

    def remember(self) -> None:
        """Note every process of the tree, to see later that none is left."""
        pids = [self.process.pid] if self.process else []
        master = lock.holder(Directory(self.dir).lock)
        for root in [*pids, *([master] if master else [])]:
            for pid in [root, *proc.descendants(root)]:
                who = proc.identity(pid)
                if who is not None:
                    self._seen.add(who)

    def left_over(self) -> list[str]:
        """Processes of the tree that still live."""
        return [f"{who.pid} {proc.command(who.pid)}" for who in self._seen if proc.is_alive(who)]

    def signal(self, signum: int) -> None:
        """Send a signal to the owner."""
        assert self.process is not None
        self.process.send_signal(signum)

    def stop(self, timeout: float = 20.0) -> int:
        """TERM, and wait for the end; the exit code."""
        assert self.process is not None
        self.remember()
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout)

    def close(self) -> None:
        """End it in any case; AssertionError when anything of it is left."""
        self.queue.close()
        if self.process is None:
            return
        self.remember()
        try:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
                self.process.send_signal(signal.SIGCONT)
                try:
                    self.process.wait(1.0)
                except subprocess.TimeoutExpired:
                    self.process.send_signal(signal.SIGTERM)
                    self.process.wait(15.0)
            until(lambda: not self.left_over(), "the end of every process of the tree", 10.0)
        finally:
            for who in self._seen:
                if proc.is_alive(who):
                    os.kill(who.pid, signal.SIGKILL)
            self.process.wait(5.0)

    def tail(self, lines: int = 40) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""
