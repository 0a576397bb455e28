"""The Gunicorn of a run with its supervisor: started again whenever it dies, and looked at from outside."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from scripts.breaking import verdict
from supervisor import TaskQueue, faults
from supervisor.directory import Directory
from supervisor.errors import SupervisorError
from supervisor.master.control import ask
from supervisor.system import lock, proc

ROOT = Path(__file__).parent.parent.parent
ROLES = ("worker", "template", "broker", "master", "guardian", "web worker", "arbiter")
_CONFIG = """
bind = {bind!r}
wsgi_app = "scripts.breaking.site:app"
worker_class = "gthread"
threads = 4
workers = 2
timeout = 5
graceful_timeout = 10
proc_name = {name!r}
control_socket_disable = True
from supervisor.gunicorn import attach
attach(globals(), **{settings!r})
"""


class House:
    """``folder`` is where everything is that the run writes; ``settings`` are more of the supervisor's."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.dir = folder / "sv"
        self.name = f"chaos-{os.getpid()}"
        self.web = f"127.0.0.1:{_free_port()}"
        self.faults = folder / "faults"
        self.faults.mkdir()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SUPERVISOR_")},
            "CHAOS_FOLDER": str(folder),
            "PYTHONPATH": str(ROOT),
            faults.VARIABLE: str(self.faults),
        }
        self.queue = TaskQueue(self.dir, timeout=30.0)
        self._config = folder / "gunicorn_config.py"
        usual = {"dir": str(self.dir), "tasks": "scripts.breaking.tasks", "workers": 2, "cpus": "off"}
        self._config.write_text(
            _CONFIG.format(bind=self.web, name=self.name, settings={**usual, "log_level": "info", **settings})
        )
        self._log = (folder / "log.txt").open("ab")
        self.process: subprocess.Popen[bytes] | None = None
        self.closing = False
        self._seen: set[proc.Identity] = set()

    def start(self) -> None:
        """Start Gunicorn, or start it again."""
        self.process = self.run([sys.executable, "-m", "gunicorn", "-c", str(self._config)])

    def begin(self) -> bool:
        """Start Gunicorn for the first time; whether all of it is there, and answers, within a minute. From then on the
        journal notes what ends twice.
        """
        self.start()
        if not wait(lambda: self.is_whole(0) and self.answers(), 60, self):
            return False
        verdict.watch(self.dir / "journal.db")
        return True

    def run(self, command: list[str]) -> subprocess.Popen[bytes]:
        """A process that finds the supervisor and its tasks."""
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**self.environment, "SUPERVISOR_DIR": str(self.dir)},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def look_after(self) -> None:
        """What whoever runs Gunicorn does: start it again when it is dead."""
        assert self.process is not None
        if self.process.poll() is not None and not self.closing:
            self.start()

    # -- who is there ------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any] | None:
        """What the master says of itself; None while there is none."""
        try:
            found: dict[str, Any] = ask(Directory(self.dir), "status", timeout=0.5)
        except SupervisorError:
            return None
        return found

    def pids(self, role: str) -> list[int]:
        """The processes of a role."""
        assert self.process is not None
        if role == "arbiter":
            return [self.process.pid] if self.process.poll() is None else []
        if role == "web worker":
            return [pid for pid in proc.children(self.process.pid) if "worker" in proc.command(pid)]
        status = self.status()
        if status is None:
            return []
        if role == "worker":
            return [worker["pid"] for worker in status["workers"] if worker["pid"]]
        found = status[role]
        pid = int(found["pid"] if isinstance(found, dict) else found)
        return [pid] if pid else []

    def is_whole(self, without: int) -> bool:
        """Whether every part is there, and none of them the process that was failed."""
        status = self.status()
        if status is None or status["ready"] < status["wanted"]:
            return False
        return all((found := self.pids(role)) and without not in found for role in ROLES)

    def answers(self) -> bool:
        """Whether a web worker submits a task, whose result then comes."""
        connection = http.client.HTTPConnection(self.web, timeout=1)
        try:
            connection.request("GET", "/probe/1")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def remember(self) -> None:
        """Note every process that belongs to the run, to see at its end that none is left."""
        roots = [self.process.pid] if self.process is not None else []
        master = lock.holder(Directory(self.dir).lock)
        for root in [*roots, *([master] if master else [])]:
            for pid in [root, *proc.descendants(root)]:
                if (who := proc.identity(pid)) is not None:
                    self._seen.add(who)

    def left_over(self) -> list[str]:
        """Processes of the run that still live."""
        living = {who.pid: proc.command(who.pid) for who in self._seen if proc.is_alive(who)}
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != os.getpid():
                command = proc.command(int(name))
                if self.name in command or str(self.folder) in command:
                    living[int(name)] = command
        return [f"{pid} {command}" for pid, command in living.items()]

    def close(self, timeout: float = 30.0) -> int:
        """TERM, and the exit code; whatever is left after that is killed."""
        self.closing = True
        self.queue.close()
        assert self.process is not None
        self.remember()
        self.process.terminate()
        try:
            return self.process.wait(timeout)
        finally:
            self._log.close()

    def kill_left_over(self) -> None:
        """For a run that has failed."""
        for line in self.left_over():
            try:
                os.kill(int(line.split()[0]), signal.SIGKILL)
            except ProcessLookupError:
                continue


def wait(condition: Any, seconds: float, house: House | None = None) -> bool:
    """Whether the condition came true in time."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        if house is not None:
            house.look_after()
        time.sleep(0.01)
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
