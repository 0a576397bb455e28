"""What a page of the documentation makes its reader set up: its files, and a Gunicorn that serves them."""

from __future__ import annotations

import ipaddress
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from supervisor.directory import Directory
from supervisor.errors import SupervisorError
from supervisor.master.control import ask
from supervisor.system import lock, proc
from tests.support.documents import DOCS, Session, Step
from tests.support.waiting import until

_numbers = itertools.count(9000)
_SHELL = """
import doctest, sys
session = doctest.DocTestParser().get_doctest(open(sys.argv[1]).read(), {}, sys.argv[1], None, 0)
sys.exit(doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(session).failed)
"""


class Site:
    """A directory with the files of a page, and a Gunicorn that serves it."""

    def __init__(self, folder: Path, written: dict[str, str], **variables: str) -> None:
        self.folder = folder
        self.variables = variables
        self.address = f"{ipaddress.ip_address('127.0.0.0') + os.getpid() % 2**24}:{next(_numbers)}"
        self.log = folder / "log.txt"
        self.process: subprocess.Popen[bytes] | None = None
        self._seen: set[proc.Identity] = set()
        for name, text in written.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        """As a person's, with this Python's programs first."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SUPERVISOR_", "GUNICORN_"))}
        programs = f"{Path(sys.executable).parent}:{kept['PATH']}"
        return {**kept, "PATH": programs, "PYTHONPATH": str(DOCS.parent), "COLUMNS": "200", **self.variables}

    def start(self, *arguments: str) -> None:
        """``gunicorn -c gunicorn_config.py``, on an address of our own, until all is ready."""
        command = ["gunicorn", "-c", "gunicorn_config.py", "--bind", self.address, "--no-control-socket", *arguments]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        until(self._ready, f"workers that are ready, {self.log}", 30.0)
        self._remember()

    def _ready(self) -> bool:
        try:
            status: dict[str, Any] = ask(Directory(self.folder / ".supervisor"), "status")
        except SupervisorError:
            return False
        return bool(status["ready"] >= status["wanted"] > 0)

    def run(self, command: str) -> subprocess.CompletedProcess[bytes]:
        """Type a command."""
        ours = command.replace("localhost:8000", self.address)
        return subprocess.run(
            ours, shell=True, cwd=self.folder, env=self.environment, capture_output=True, timeout=60, check=False
        )

    def script(self, code: str) -> None:
        """Run a script from the directory of the files; it must end well."""
        path = self.folder / "script.py"
        path.write_text(code.replace("localhost:8000", self.address), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-W", "error::ResourceWarning", str(path)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{self.log.read_text()[-5000:]}"

    def expect(self, text: str) -> None:
        """Type into Python's own shell, as doctest does it; everything must come out as it is shown."""
        path = self.folder / "session.txt"
        path.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-c", _SHELL, str(path)],
            cwd=self.folder,
            env={**self.environment, "PYTHONPATH": f"{self.folder}:{DOCS.parent}"},
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()

    def _remember(self) -> None:
        master = lock.holder(Directory(self.folder / ".supervisor").lock)
        for root in filter(None, [self.process.pid if self.process else None, master]):
            found = [proc.identity(pid) for pid in [root, *proc.descendants(root)]]
            self._seen.update(who for who in found if who is not None)

    def stop(self) -> int:
        """TERM, and wait until nothing is left; Gunicorn's exit code."""
        assert self.process is not None
        self._remember()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(40.0)
        until(lambda: not any(map(proc.is_alive, self._seen)), "the end of every process", 15.0)
        return code

    def close(self) -> None:
        """End it in any case."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(5.0)
        until(lambda: not any(map(proc.is_alive, self._seen)), "the end of every process", 30.0)


def perform(site: Site, session: Session, step: Step) -> None:
    """Type a command until it prints what the page says; one that changes something only once."""
    command = session.command(step)
    patience = 0.0 if "POST" in command else 20.0
    printed: list[str] = []

    def matches() -> bool:
        printed.append(site.run(command).stdout.decode())
        return session.matches(step, printed[-1])

    try:
        until(matches, f"$ {command}", patience, 0.1)
    except AssertionError:
        pytest.fail(f"$ {command}\nshould print\n{step.output}\nand printed\n{printed[-1]}\n{site.log.read_text()}")
