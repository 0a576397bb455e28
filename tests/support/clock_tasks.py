"""Tasks that tell when they ran, on the clock that nobody can set."""

from __future__ import annotations

import os
import time

from supervisor import SoftTimeoutError, task


def _tell(path: str, word: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{word} {time.monotonic()} {time.time()}\n".encode())
    os.close(descriptor)


@task
def tell(path: str) -> None:
    """Now."""
    _tell(path, "ran")


@task
def loop(path: str) -> None:
    """Tells that it begins, and never ends."""
    _tell(path, "began")
    while True:
        pass


@task
def stop_softly(path: str) -> None:
    """Tells when it is asked to end."""
    _tell(path, "began")
    try:
        while True:
            pass
    except SoftTimeoutError:
        _tell(path, "asked")


@task
def fail(path: str) -> None:
    """Tells that it ran, and fails."""
    _tell(path, "ran")
    raise ValueError("as asked")
