"""The master's process: executed afresh by the guardian."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
from types import FrameType

from setproctitle import setproctitle

from supervisor import faults, owners
from supervisor.directory import Directory
from supervisor.errors import SupervisorError
from supervisor.launch import EXIT_FAILED
from supervisor.log import configure, log
from supervisor.master.master import Master
from supervisor.scoreboard import Header, Scoreboard
from supervisor.system.lock import DirectoryLock
from supervisor.system.prctl import become_subreaper
from supervisor.wire.address import short_path

_BACKLOG = 1024


def listen(directory: Directory) -> socket.socket:
    """The queue's socket. It is the master's, so that callers line up in it while a broker is replaced."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    directory.socket.unlink(missing_ok=True)
    with short_path(directory.socket) as path:
        listener.bind(path)
    os.chmod(directory.socket, 0o600)
    listener.listen(_BACKLOG)
    return listener


def _nothing(signum: int, frame: FrameType | None) -> None:
    """TERM, INT and QUIT reach a whole unit or group at once; the owner decides when the tree ends."""


def main(arguments: list[str]) -> int:
    """Run the tree; the exit code."""
    parser = argparse.ArgumentParser(prog="supervisor.master")
    parser.add_argument("--dir", required=True)
    for name in ("board", "wake", "guardian"):
        parser.add_argument(f"--{name}", type=int, required=True)
    chosen = parser.parse_args(arguments)
    directory = Directory(chosen.dir)
    living = owners.living(directory.owners)
    if not living:
        return 0
    faults.play("master")
    spec = living[-1].spec
    configure("master", spec.settings.log_level, spec.log)
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    for signum in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(signum, _nothing)
    become_subreaper()
    board = Scoreboard.attach(chosen.board)
    board.put(Header.MASTER_PID, os.getpid())
    try:
        with DirectoryLock(directory.lock):
            setproctitle(f"{spec.title} supervisor: master [{directory}]")
            master = Master(directory, board, chosen.wake, listen(directory), chosen.guardian)
            log.info("ready to take tasks in %s", directory)
            master.run(ours)
            directory.socket.unlink(missing_ok=True)
    except SupervisorError as error:
        log.critical("%s", error)
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
