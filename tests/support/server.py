"""A real Gunicorn of its own for a test, with a supervisor attached: started, talked to, ended, and nothing left.

Each test process has a loopback address of its own (127.0.0.0 plus its pid), so ports are free without asking.
"""

from __future__ import annotations

import http.client
import ipaddress
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from supervisor import TaskQueue
from supervisor.directory import Directory
from supervisor.errors import SupervisorError
from supervisor.master.control import ask
from supervisor.system import lock, proc
from tests.support.gunicorns import Gunicorn
from tests.support.waiting import until

REPOSITORY = Path(__file__).parent.parent.parent
UVICORN = "uvicorn_worker.UvicornWorker"
_numbers = itertools.count()
_CONFIG = """
bind = {bind!r}
wsgi_app = {app!r}
worker_class = {worker_class!r}
workers = 2
threads = 2 if worker_class == "gthread" else 1
proc_name = {name!r}
pythonpath = {repository!r}
graceful_timeout = 5
control_socket_disable = True
{before}
from supervisor.gunicorn import attach
attach(globals(), **{settings!r})
{after}
"""


class RefusedError(Exception):
    """The web server answered with an error."""


class Server:
    """Gunicorn with ``tests.support.webapp``; ``before`` and ``after`` are lines of the config file around attach."""

    def __init__(
        self, folder: Path, gunicorn: Gunicorn, *, worker_class: str = "sync", before: str = "", **settings: Any
    ) -> None:
        number = next(_numbers)
        self.folder = folder
        self.gunicorn = gunicorn
        self.name = f"web-{os.getpid()}-{number}"
        self.host, self.port = str(ipaddress.ip_address("127.0.0.0") + os.getpid() % 2**24), 8000 + number
        self.dir = Path(settings.pop("dir", folder / "sv"))
        self.log = folder / "log.txt"
        self.config = folder / "config.py"
        self.worker_class = worker_class
        self.before, self.after = before, ""
        self.settings: dict[str, Any] = {
            "dir": str(self.dir),
            "tasks": ("tests.support.tasks", "tests.support.web_tasks"),
            "workers": 1,
            "log_level": "debug",
            "retry_delay": "50ms",
            "retry_jitter": "0s",
            "backoff": 1,
            **settings,
        }
        self.queue = TaskQueue(self.dir, timeout=10.0)
        self.wrap: list[str] = []
        """Words before Gunicorn's own command."""
        self.environment: dict[str, str] = {}
        self.cwd = folder
        self.probe = "/who"
        """What is asked to see whether the web server answers."""
        self.process: subprocess.Popen[bytes] | None = None
        """What was started last."""
        self.arbiters: list[proc.Identity] = []
        """The arbiters, in the order in which they came; signals are for the last."""
        self._processes: list[subprocess.Popen[bytes]] = []
        self._seen: dict[proc.Identity, str] = {}

    # -- starting ----------------------------------------------------------------------------------------------

    def write_config(self) -> None:
        """Write the config file anew, for the next start or HUP."""
        app = "asgi" if self.worker_class == UVICORN else "wsgi"
        text = _CONFIG.format(
            bind=f"{self.host}:{self.port}",
            app=f"tests.support.webapp:{app}",
            worker_class=self.worker_class,
            name=self.name,
            repository=str(REPOSITORY),
            before=self.before,
            settings=self.settings,
            after=self.after,
        )
        self.config.write_text(text)

    def write(self, name: str, text: str) -> None:
        """Write a module of the application; as a deployment does, never half of it."""
        path = self.folder / name
        temporary = path.with_suffix(".new")
        temporary.write_text(text)
        temporary.replace(path)

    def start(self, *arguments: str, wait: bool = True) -> Server:
        """Start Gunicorn, and wait until web and task workers are ready."""
        self.write_config()
        self.process = self.run(*arguments)
        if wait:
            self.wait_ready()
        return self

    def run(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one Gunicorn with the config file as it is."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SUPERVISOR_", "GUNICORN_"))}
        paths = [str(path) for path in (self.gunicorn.path, REPOSITORY) if path]
        command = [*self.wrap, sys.executable, str(self.gunicorn.program), "-c", str(self.config), *arguments]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.cwd,
                env={**kept, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": ":".join(paths), **self.environment},
                start_new_session=True,
            )
        self._processes.append(process)
        self._arrived(process.pid)
        return process

    def upgrade(self) -> int:
        """USR2; the pid of the new arbiter, once it has its web workers. It is the last one from now on."""
        self.send(signal.SIGUSR2)
        old = self.pid

        def found() -> int:
            return next((pid for pid in proc.children(old) if len(self.web_worker_pids(pid)) == 2), 0)

        pid = until(found, f"a new arbiter; the log says:\n{self.tail()}", 30.0)
        self._arrived(pid)
        self.remember()
        return pid

    def _arrived(self, pid: int) -> None:
        who = proc.identity(pid)
        assert who is not None
        self.arbiters.append(who)

    def wait_ready(self, generation: int = 0) -> dict[str, Any]:
        """Wait until the web answers and all task workers are ready with code of ``generation`` or newer."""
        self.wait_answer()

        def ready() -> dict[str, Any] | None:
            status = self.status()
            if status is None or status["ready"] < status["wanted"] or status["template"]["generation"] < generation:
                return None
            return status if all(worker["generation"] >= generation for worker in status["workers"]) else None

        return until(ready, f"workers ready; the log says:\n{self.tail()}", 30.0)

    def wait_answer(self) -> dict[str, Any]:
        """Wait until a web worker answers, by saying who it is."""

        def answer() -> dict[str, Any] | None:
            if not self.lives():
                raise AssertionError(f"Gunicorn ended; the log says:\n{self.tail()}")
            with suppress(OSError, http.client.HTTPException):
                found: dict[str, Any] = self.get(self.probe)
                return found
            return None

        return until(answer, f"a web worker that answers; the log says:\n{self.tail()}", 30.0, 0.02)

    # -- talking -----------------------------------------------------------------------------------------------

    def get(self, path: str, **query: object) -> Any:
        """Ask the web server over a connection of its own; the JSON of its answer. Raises RefusedError, OSError."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=40)
        try:
            connection.request("GET", f"{path}?{urlencode(query)}", headers={"Connection": "close"})
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise RefusedError(f"{response.status} {body.decode()}; the log says:\n{self.tail()}")
        return json.loads(body)

    def submit(self, task: str, *args: object) -> str:
        """Have a web worker submit a task; its id."""
        found: str = self.get("/submit", task=task, args=json.dumps(args))["id"]
        return found

    def result(self, task_id: str) -> Any:
        """Have a web worker wait for a task; what it returned."""
        record = self.get("/wait", id=task_id)
        assert record["state"] == "succeeded", record
        return record["result"]

    def status(self) -> dict[str, Any] | None:
        """What the master says of itself; None while there is none."""
        try:
            status: dict[str, Any] = ask(Directory(self.dir), "status", timeout=5.0)
        except SupervisorError:
            return None
        self.remember()
        return status

    def pid_of(self, role: str) -> int:
        """The pid of ``master``, ``guardian``, ``broker`` or ``template``, once there is one."""

        def pid() -> int:
            found = (self.status() or {}).get(role, 0)
            return int(found["pid"] if isinstance(found, dict) else found)

        return until(pid, f"a {role}; the log says:\n{self.tail()}")

    def task_worker_pids(self) -> list[int]:
        """The pids of the task workers."""
        status = until(self.status, "a master that answers")
        return [worker["pid"] for worker in status["workers"] if worker["pid"]]

    # -- processes ---------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The last arbiter's pid."""
        return self.arbiters[-1].pid

    def lives(self) -> bool:
        """Whether the last arbiter lives."""
        return proc.is_alive(self.arbiters[-1])

    def web_worker_pids(self, arbiter: int | None = None) -> list[int]:
        """The pids of an arbiter's web workers: its children but for the guardian and other arbiters."""
        children = proc.children(self.pid if arbiter is None else arbiter)
        return [pid for pid in children if proc.command(pid).startswith("gunicorn: worker ")]

    def titles(self) -> list[str]:
        """The titles of all our processes."""
        self.remember()
        return [proc.command(who.pid) for who in self._seen if proc.is_alive(who)]

    def remember(self) -> None:
        """Note every process that belongs to us, to see later that none is left."""
        roots = [who.pid for who in self.arbiters if proc.is_alive(who)]
        master = lock.holder(Directory(self.dir).lock)
        if master and self._names_us(proc.command(master)):
            roots.append(master)
        for root in roots:
            for pid in [root, *proc.descendants(root)]:
                who = proc.identity(pid)
                if who is not None:
                    self._seen[who] = proc.command(pid) or self._seen.get(who, "")

    def left_over(self) -> list[str]:
        """Our processes that still live: those that were seen, and any whose title names us."""
        living = {who.pid: command for who, command in self._seen.items() if proc.is_alive(who)}
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != os.getpid():
                command = proc.command(int(name))
                if self._names_us(command):
                    living[int(name)] = command
        return [f"{pid} {command}" for pid, command in living.items()]

    def _names_us(self, command: str) -> bool:
        return self.name in command or str(self.folder) in command

    def port_is_free(self) -> bool:
        """Whether somebody else could listen where we did."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError:
                return False
        return True

    # -- ending ------------------------------------------------------------------------------------------------

    def send(self, signum: int, pid: int | None = None) -> None:
        """Send the arbiter, or another of our processes, a signal."""
        self.remember()
        target = self.pid if pid is None else pid
        assert target > 1, "0 and less would be a whole group"
        os.kill(target, signum)

    def wait_end(self, timeout: float = 30.0) -> int:
        """Wait until the arbiter that was started last has ended; its exit code."""
        assert self.process is not None
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"Gunicorn did not end in {timeout:g} s; the log says:\n{self.tail()}") from None

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """End it with a signal, and see that nothing is left; the exit code."""
        self.send(signum)
        code = self.wait_end()
        self.wait_gone()
        return code

    def wait_gone(self, timeout: float = 10.0) -> None:
        """Wait until no process of ours is left and the port is free."""
        until(lambda: not self.left_over(), f"the end of every process; left: {self.left_over()}", timeout)
        until(self.port_is_free, "a free port", timeout)

    def close(self) -> None:
        """End everything in any case; AssertionError when anything of it did not end by itself."""
        self.queue.close()
        self.remember()
        try:
            self._end_arbiters()
            until(lambda: not self.left_over(), f"the end of every process; left: {self.left_over()}", 15.0)
        finally:
            for line in self.left_over():
                with suppress(ProcessLookupError):
                    os.kill(int(line.partition(" ")[0]), signal.SIGKILL)
            for process in self._processes:
                process.wait(5.0)

    def _end_arbiters(self) -> None:
        for patience in (1.5, 15.0):  # a second signal ends at once
            for who in self.arbiters:
                if proc.is_alive(who):
                    os.kill(who.pid, signal.SIGTERM)
                    os.kill(who.pid, signal.SIGCONT)
            with suppress(AssertionError):
                until(lambda: not any(map(proc.is_alive, self.arbiters)), "the end of the arbiters", patience)

    def says(self, *words: str) -> bool:
        """Whether one line of the log holds all of these words."""
        return any(all(word in line for word in words) for line in self.lines())

    def lines(self) -> list[str]:
        """The log."""
        return self.log.read_text(errors="replace").splitlines() if self.log.exists() else []

    def tail(self, lines: int = 60) -> str:
        """The end of the log."""
        return "\n".join(self.lines()[-lines:])
