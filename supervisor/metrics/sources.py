"""Asking master, broker, kernel and disk how things are.

Two short requests a look, and one where no master answers: a supervisor that is down is not started by being looked
at.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

from supervisor.client import calls
from supervisor.client.manager import QueueProxy
from supervisor.directory import Directory
from supervisor.errors import JournalError, QueueUnavailableError, SupervisorError
from supervisor.journal import history
from supervisor.master.control import ask
from supervisor.metrics.records import Disk, Process, Seen
from supervisor.system import proc
from supervisor.wire.figures import BrokerFigures, MasterFigures, WorkerRow

_RANKS = ("busy", "idle", "stopped", "leaving", "starting")
"""Of several workers on one seat, the first by state is looked at: so nobody's counts come back who was replaced."""


class Source:
    """One supervisor. ``timeout``: seconds in which master and broker, each, have to answer."""

    def __init__(self, directory: Directory, timeout: float = 2.0) -> None:
        self.directory = directory
        self._timeout = timeout
        self._queue = QueueProxy(directory, timeout)  # without the means to start what is down
        self._figures = calls.figures(timeout)

    def look(self) -> Seen:
        """All that is known now."""
        began = time.monotonic()
        master = self._master()
        broker = self._broker() if master is not None else None
        living = {} if master is None else {role: pid for role, pid in master.pids.items() if pid}
        return Seen(
            directory=str(self.directory),
            master=master,
            broker=broker,
            disk=_disk(self.directory),
            processes=_processes(living, whole=False),
            seats=_processes({} if master is None else _seats(master.workers), whole=True),
            seconds=time.monotonic() - began,
        )

    def down(self) -> Seen:
        """What there is to say of a supervisor that has ended."""
        return Seen(directory=str(self.directory), disk=_disk(self.directory))

    def close(self) -> None:
        """Let go of the connection."""
        self._queue.close()

    def _master(self) -> MasterFigures | None:
        try:
            answer = ask(self.directory, "figures", timeout=self._timeout)
            return msgspec.convert(answer, MasterFigures)
        except (QueueUnavailableError, msgspec.ValidationError):
            return None  # the latter: of another version, which knows no such question

    def _broker(self) -> BrokerFigures | None:
        try:
            return self._queue.perform(self._figures)
        except (SupervisorError, msgspec.MsgspecError):  # it does not answer, or is of another version
            return None


def _seats(workers: list[WorkerRow]) -> dict[str, int]:
    found: dict[str, int] = {}
    ranked = [worker for worker in workers if worker.pid and worker.state in _RANKS]
    for worker in sorted(ranked, key=lambda worker: (worker.seat, _RANKS.index(worker.state))):
        found.setdefault(str(worker.seat), worker.pid)
    return found


def _processes(pids: dict[str, int], *, whole: bool) -> dict[str, Process]:
    """What these take; ``whole``: with what they have started. Those that end meanwhile are left out."""
    found: dict[str, Process] = {}
    for name, pid in pids.items():
        with suppress(psutil.Error):
            times = psutil.Process(pid).cpu_times()
            seconds = times.user + times.system
            if whole:
                seconds += times.children_user + times.children_system
            memory = proc.tree_resident_bytes(pid) if whole else proc.resident_bytes(pid)
            found[name] = Process(seconds, memory)
    return found


def _disk(directory: Directory) -> Disk | None:
    try:
        volume = os.statvfs(directory.path)
    except OSError:
        return None
    return Disk(
        database=_size(directory.journal),
        wal=_size(Path(f"{directory.journal}-wal")),
        payloads=_size_within(directory.payloads),
        available=volume.f_bavail * volume.f_frsize,
        size=volume.f_blocks * volume.f_frsize,
        dead_letters=_dead_letters(directory),
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _size_within(folder: Path) -> int:
    found = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):  # removed meanwhile
                found += entry.stat(follow_symlinks=False).st_size
    return found


def _dead_letters(directory: Directory) -> int | None:
    try:
        with history.read(directory.journal) as journal:
            return journal.dead_letters()
    except JournalError:
        return None
