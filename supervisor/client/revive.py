"""The last resort: a client that finds the supervisor gone starts it again, if an owner of it still lives.

It comes to this only when guardian and master were killed at once, or one was stopped and the other killed. Under a
lock, so that of many web workers one starts it; and by a process of its own (never from Gunicorn's arbiter, whose
``waitpid`` would be in the way).
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

from supervisor import owners
from supervisor.directory import Directory
from supervisor.errors import AlreadyRunningError
from supervisor.guardian.stopped import put_away
from supervisor.launch import start
from supervisor.log import log
from supervisor.system import lock

_PAUSE = 1.0
_BOOT_SECONDS = 5.0
_LOOK_SECONDS = 0.01
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
    with suppress(AlreadyRunningError), lock.held(directory.start_lock, 0.0):  # or another client is at it
        put_away(directory)
        if lock.holder(directory.guardian_lock) is None:
            log.error("the supervisor of %s is gone although its owner lives: starting it again", directory)
            _start_guardian(directory)


def _start_guardian(directory: Directory) -> None:
    """Start one, and wait until it holds its lock, lest the next client starts another meanwhile."""
    started = start("supervisor.guardian", [f"--dir={directory}"], [])
    until = time.monotonic() + _BOOT_SECONDS
    try:
        while lock.holder(directory.guardian_lock) is None and time.monotonic() < until:
            if started.ended(_LOOK_SECONDS):
                break
    finally:
        os.close(started.pidfd)
