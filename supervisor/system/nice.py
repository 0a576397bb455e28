"""Making a process yield to the web workers where it cannot be pinned away from them.

The kernel shares CPU between sessions first (autogroup, sched(7)) and looks at niceness only inside one. Across
sessions ``nice 19`` alone was measured at 50:50; with the session's autogroup set as well at 99:1.
"""

from __future__ import annotations

import os
from contextlib import suppress

MAXIMUM = 19


def be_nice(level: int) -> None:
    """Set the niceness of this process and, if it leads a session, of the session (0 to 19)."""
    os.setpriority(os.PRIO_PROCESS, 0, level)
    if os.getsid(0) != os.getpid():
        return
    try:
        with open("/proc/self/autogroup", "w", encoding="ascii") as file:
            file.write(str(level))
    except OSError:
        return  # kernels without autogroup weigh by niceness alone


def hasten(pid: int) -> int:
    """Take the niceness off a process that is to be killed, where we may; the level it had.

    A signal, SIGKILL too, acts only when its process runs next, and a nice one on a busy machine waits for that for
    hundreds of milliseconds.
    """
    try:
        level = os.getpriority(os.PRIO_PROCESS, pid)
    except ProcessLookupError:
        return 0
    if level > 0:
        set_niceness(pid, 0)
    return level


def set_niceness(pid: int, level: int) -> None:
    """Set the niceness of a process that leads a session, and of the session, as far as we may."""
    with suppress(OSError):  # only root may lower it
        os.setpriority(os.PRIO_PROCESS, pid, level)
        with open(f"/proc/{pid}/autogroup", "w", encoding="ascii") as file:
            file.write(str(level))


def offer_to_oom_killer(score: int = 500) -> None:
    """Make the kernel, short of memory, choose this process before the web workers and the broker."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write(str(score))
    except OSError:
        return  # a sandbox may forbid it; the kernel then chooses by size
