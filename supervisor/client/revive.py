"""The last resort under Gunicorn: a web worker that finds the supervisor gone starts it again, if its owner lives.

The arbiter has no loop of ours in which it could notice, and ``waitpid`` there would be in the way of a child of ours.
"""

from __future__ import annotations

import os
import time

from supervisor import owners
from supervisor.directory import Directory
from supervisor.guardian.again import start_again
from supervisor.system import lock, proc

_PAUSE = 1.0
_last: dict[str, float] = {}


def revive(directory: Directory) -> None:
    """Start a guardian where nobody holds the directory although an owner lives from which we descend; at most once a
    second.

    Any other client leaves it alone: it would start the tree as its own user, with its environment and its output, and
    outside of its service.
    """
    now = time.monotonic()
    if now - _last.get(str(directory), -_PAUSE) < _PAUSE:
        return
    _last[str(directory)] = now
    if lock.holder(directory.lock) is not None or not directory.owners.is_dir():
        return
    living = {owner.who.pid for owner in owners.living(directory.owners)}
    if living and living.intersection(proc.ancestors(os.getpid())):
        started = start_again(directory)
        if started is not None:
            os.close(started.pidfd)
