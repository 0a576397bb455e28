"""A guardian that is stopped: where no master runs any more, somebody else has to get it out of the way."""

from __future__ import annotations

import select
import time

from supervisor.directory import Directory
from supervisor.log import log
from supervisor.master.reaper import kill
from supervisor.system import lock, proc

_LOOK_SECONDS = 0.005
_MOST_SECONDS = 1.0


def put_away(directory: Directory) -> None:
    """Kill the guardian of a directory, with what it has adopted and not cleared away, if it is stopped.

    To be called where no master holds the directory: a living master looks after its guardian itself.
    """
    pid = lock.holder(directory.guardian_lock)
    if pid is None or not proc.is_stopped(pid):
        return
    log.error("the guardian (pid %d) of %s is stopped: killed", pid, directory)
    until = time.monotonic() + _MOST_SECONDS
    while (family := _living(pid)) and time.monotonic() < until:
        for each in family:
            kill(each)
        select.select([], [], [], _LOOK_SECONDS)
    kill(pid)
    while lock.holder(directory.guardian_lock) == pid and time.monotonic() < until:
        select.select([], [], [], _LOOK_SECONDS)


def _living(pid: int) -> list[int]:
    return [each for each in proc.descendants(pid) if proc.state(each) not in ("Z", "X", None)]
