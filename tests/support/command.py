"""The command ``supervisor`` as a person runs it: as a process, in a pipe or in a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.tree import RunningTree

REPOSITORY = Path(__file__).parent.parent.parent
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_HOME = "\x1b[H"
# A new session whose controlling terminal is standard input: then Ctrl-C is a signal, as for a person.
_IN_FRONT = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@dataclass(frozen=True)
class Ran:
    """What a command said, and its exit code."""

    code: int
    out: str
    error: str = ""

    def json(self) -> dict[str, Any]:
        """Its one object."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours without settings of a supervisor, and with this package, wherever the command is run."""
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("SUPERVISOR_", "COLUMNS", "LINES"))
    }
    return {**own, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm-256color", **(extra or {})}


def command(*arguments: str | Path) -> list[str]:
    """The words of a command line."""
    return [sys.executable, "-m", "supervisor", *map(str, arguments)]


def run(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 60.0, **options: Any
) -> Ran:
    """Run it in a pipe, to its end."""
    done = subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        **options,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def ask(tree: RunningTree, *arguments: str | Path) -> Ran:
    """Run it about a tree."""
    return run(*arguments, "--dir", tree.dir, cwd=tree.folder)


def told(tree: RunningTree, *arguments: str | Path) -> Any:
    """What it says about a tree in JSON, to a good end."""
    ran = ask(tree, *arguments, "--json")
    assert ran.code == 0, ran.error
    return json.loads(ran.out)


class Terminal:
    """A command in front of a terminal of its own; ends it when left."""

    def __init__(self, *arguments: str | Path, cwd: Path, columns: int = 80) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        words = [sys.executable, "-c", _IN_FRONT, *command(*arguments)]
        self.process = subprocess.Popen(words, cwd=cwd, env=environment(), stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self._shown = b""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20.0)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(5.0)
        os.close(self._ours)

    def type(self, keys: str) -> None:
        """Press keys; "\\x03" is Ctrl-C."""
        os.write(self._ours, keys.encode())

    def read(self, wait: float = 0.0) -> str:
        """All that was shown so far, without colours."""
        while select.select([self._ours], [], [], wait)[0]:
            try:
                piece = os.read(self._ours, 65536)
            except OSError:  # EIO: nobody is at the other end any more
                break
            if not piece:
                break
            self._shown += piece
        return _plain(self._shown.decode("utf-8", "replace"))

    def frames(self) -> list[str]:
        """What was shown so far of what fills the screen again and again, each time from its corner on."""
        return [_plain(frame) for frame in self.raw().split(_HOME)]

    def raw(self) -> str:
        """All that was shown, with colours."""
        return self._shown.decode("utf-8", "replace")

    def finish(self, timeout: float = 60.0) -> Ran:
        """Wait for its end; what it showed."""
        until = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < until, f"it did not end; it showed:\n{self.read()}"
            self.read(0.02)
        return Ran(self.process.returncode, self.read())


def _plain(shown: str) -> str:
    return _ESCAPES.sub("", shown).replace("\r\n", "\n")
