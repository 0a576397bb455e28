"""Starting a tree again of which nobody is left who could: guardian and master were killed at once, or one was stopped
and the other killed.

Its owner lives, so it is to be. A process of its own is started for it, under a lock, so that of many who notice one
does.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

from supervisor.directory import Directory
from supervisor.errors import AlreadyRunningError
from supervisor.guardian.stopped import put_away
from supervisor.launch import Started, start
from supervisor.log import log
from supervisor.system import lock

_BOOT_SECONDS = 5.0
_LOOK_SECONDS = 0.01


def start_again(directory: Directory) -> Started | None:
    """Start a guardian where nobody holds the directory; None where somebody does, or is about to.

    For a process that would have started it: its owner, or one that descends from its owner. What anybody else
    started would have another user, environment and service.
    """
    if lock.holder(directory.lock) is not None:
        return None
    with suppress(AlreadyRunningError), lock.held(directory.start_lock, 0.0):  # or somebody else is at it
        put_away(directory)
        if lock.holder(directory.guardian_lock) is None:
            log.error("the supervisor of %s is gone although its owner lives: starting it again", directory)
            return _start_guardian(directory)
    return None


def _start_guardian(directory: Directory) -> Started:
    """Start one, and wait until it holds its lock, lest the next to notice starts another meanwhile."""
    started = start("supervisor.guardian", [f"--dir={directory}"], [])
    until = time.monotonic() + _BOOT_SECONDS
    try:
        while lock.holder(directory.guardian_lock) is None and time.monotonic() < until:
            if started.ended(_LOOK_SECONDS):
                break
    except BaseException:
        os.close(started.pidfd)
        raise
    return started
