"""Processes that a task left behind."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from multiprocessing import resource_tracker

from supervisor.system import proc

_SECONDS = 0.25


def kill_leftovers() -> None:
    """Kill and reap what the last task started and did not end.

    We are a subreaper: whatever was double-forked or has its own session is our child once its parents are gone. So
    one system call tells, in the common case, that there is nobody. multiprocessing's resource tracker is spared: it
    is meant to live as long as the process.
    """
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return
    tracker: int | None = getattr(getattr(resource_tracker, "_resource_tracker", None), "_pid", None)
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        family = [each for each in proc.descendants(os.getpid()) if each != tracker]
        for each in family:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(each, signal.SIGKILL)
        if not family:
            return
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue
