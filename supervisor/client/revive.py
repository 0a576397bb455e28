"""The last resort: a client that finds the supervisor gone starts it again, if an owner of it still lives.

It comes to this only when guardian and master were killed at once. Under a lock, so that of many web workers one
starts it; and by a process of its own (never from Gunicorn's arbiter, whose ``waitpid`` would be in the way).
"""

from __future__ import annotations

import fcntl
import os
import time

from supervisor import owners
from supervisor.directory import Directory
from supervisor.launch import start
from supervisor.log import log
from supervisor.system import lock, proc

_PAUSE = 1.0
_last: dict[str, float] = {}


def revive(directory: Directory) -> None:
    """Start a guardian where nobody holds the directory although an owner lives; at most once a second."""
    now = time.monotonic()
    if now - _last.get(str(directory), -_PAUSE) < _PAUSE:
        return
    _last[str(directory)] = now
    if lock.holder(directory.lock) is not None or not directory.owners.is_dir():
        return
    if not any(owner.who.pid != os.getpid() for owner in owners.living(directory.owners)):
        return
    descriptor = os.open(directory.start_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return  # another client is at it
    try:
        if guardian_of(directory) is None:
            log.error("the supervisor of %s is gone although its owner lives: starting it again", directory)
            started = start("supervisor.guardian", [f"--dir={directory}"], [])
            directory.guardian.write_text(str(started.pid))
            os.close(started.pidfd)
    finally:
        os.close(descriptor)


def guardian_of(directory: Directory) -> int | None:
    """The guardian that a client started last, if it still lives."""
    try:
        pid = int(directory.guardian.read_text())
    except (OSError, ValueError):
        return None
    return pid if "guardian" in proc.command(pid) else None
