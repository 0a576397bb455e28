"""Looking for processes by a path that stands in their command line, whoever their parents are by now."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from supervisor.system import proc


def naming(path: Path) -> list[int]:
    """The living processes that have this path among the words of their command line (not our own)."""
    word = f"\0{path}\0".encode()
    found: list[int] = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        with suppress(OSError):
            command = Path("/proc", name, "cmdline").read_bytes()
            if word in command and proc.state(int(name)) not in ("Z", "X", None):
                found.append(int(name))
    return found


def busy(path: Path) -> Iterator[bool]:
    """Whether a family still writes into its file, or lives, at each look since the one before."""
    size = -1
    while True:
        before, size = size, path.stat().st_size
        yield size != before or bool(naming(path))


@contextmanager
def family(path: Path) -> Iterator[Path]:
    """A file that a family of processes names and lives by; whatever is left of it at the end is killed."""
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
        for pid in naming(path):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
