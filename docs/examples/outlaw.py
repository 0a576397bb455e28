"""A program that refuses to die, started by the task `family`: it ignores every signal that can be ignored.

Run as `python outlaw.py MODE MARKER SECONDS`. The marker on its command line lets survivors be counted. After
the seconds it gives up by itself, so that nothing is left of it even where nobody can kill it.
"""

import os
import signal
import sys
import time
from collections.abc import Callable

TICK = 0.02


def sit(until: float) -> None:
    """Stay, in a session of its own."""
    os.setsid()
    while time.monotonic() < until:
        time.sleep(TICK)


def daemon(until: float) -> None:
    """Leave the parent by forking twice, as daemons do, and stay."""
    for _ in range(2):
        if os.fork():
            os._exit(0)
        os.setsid()
    while time.monotonic() < until:
        time.sleep(TICK)


def twins(until: float) -> None:
    """Be two, in two sessions: whichever of them dies, the other one starts it again."""
    while time.monotonic() < until:
        elder = os.getpid()
        if younger := os.fork():
            os.waitpid(younger, 0)
            continue
        os.setsid()
        while os.getppid() == elder and time.monotonic() < until:
            time.sleep(TICK)


def runner(until: float) -> None:
    """Be never the same process for long: a new one, in a new session, every few milliseconds."""
    while time.monotonic() < until:
        if os.fork():
            os._exit(0)
        os.setsid()
        time.sleep(TICK)


MODES: dict[str, Callable[[float], None]] = {"sit": sit, "daemon": daemon, "twins": twins, "runner": runner}


def main(mode: str, seconds: str) -> None:
    """Refuse to die for so many seconds."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
        signal.signal(number, signal.SIG_IGN)
    MODES[mode](time.monotonic() + float(seconds))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[3])
