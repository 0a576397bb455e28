"""The guardian's process."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import suppress
from types import FrameType

from setproctitle import setproctitle

from supervisor import owners
from supervisor.directory import Directory
from supervisor.errors import AlreadyRunningError
from supervisor.guardian.guardian import Guardian
from supervisor.launch import EXIT_FAILED, Started
from supervisor.log import configure, log
from supervisor.scoreboard import Header, Scoreboard
from supervisor.system.lock import DirectoryLock
from supervisor.system.prctl import become_subreaper
from supervisor.system.users import become


def _nothing(signum: int, frame: FrameType | None) -> None:
    """These reach every process of a systemd unit at once; it is the owner who decides when the tree ends."""


def main(arguments: list[str]) -> int:
    """Guard until the tree ends; the exit code."""
    parser = argparse.ArgumentParser(prog="supervisor.guardian")
    parser.add_argument("--dir", required=True)
    parser.add_argument("--adopt", type=int, help="pid of a master that runs already")
    parser.add_argument("--board", type=int, help="descriptor of its scoreboard")
    parser.add_argument("--wake", type=int, help="descriptor of its wake event")
    chosen = parser.parse_args(arguments)
    directory = Directory(chosen.dir)
    living = owners.living(directory.owners)
    if not living:
        return EXIT_FAILED
    spec = living[-1].spec
    configure("guardian", spec.settings.log_level, spec.log)
    become(spec.uid, spec.gid)
    try:
        lock = DirectoryLock(directory.guardian_lock)
    except AlreadyRunningError as error:
        log.debug("%s: it has a guardian already", error)
        return 0
    if spec.cpus:
        with suppress(OSError):  # some may have been taken away since
            os.sched_setaffinity(0, spec.cpus)
    become_subreaper()
    setproctitle(f"{spec.title} supervisor: guardian [{directory}]")
    board = Scoreboard.attach(chosen.board) if chosen.adopt else Scoreboard.create()
    board.put(Header.GUARDIAN_PID, os.getpid())
    wake = chosen.wake if chosen.adopt else os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    guardian = Guardian(directory, lock, board, wake, spec)
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(signum, _nothing)
    adopted = Started(chosen.adopt, os.pidfd_open(chosen.adopt)) if chosen.adopt else None
    guardian.run(adopted)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
