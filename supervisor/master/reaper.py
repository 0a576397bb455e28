"""Waiting for children, and clearing away the processes that dead workers left.

Also for the guardian, whose children are what a dead master left, and for a worker between two tasks.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from supervisor.system import proc

_SWEEP_SECONDS = 0.1
_PAUSE_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Change:
    """A child that stopped or ended."""

    pid: int
    status: int

    @property
    def stopped(self) -> bool:
        """Whether it was only stopped."""
        return os.WIFSTOPPED(self.status)


@dataclass(frozen=True, slots=True)
class Swept:
    """What came of a sweep."""

    changes: list[Change]
    """What was reaped on the way."""
    clean: bool
    """Whether none is left. If not, they sit in the kernel or multiply too fast: sweep again, after other duties."""


def reap() -> list[Change]:
    """Every change of a child that has not been told yet. Never blocks."""
    found: list[Change] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        found.append(Change(pid, status))


def kill_tree(pid: int) -> None:
    """SIGKILL a worker, its process group, and every descendant that is there now."""
    family = list(proc.descendants(pid))
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    for each in [pid, *family]:
        kill(each)


def sweep(known: Callable[[], Iterable[int]]) -> Swept:
    """Kill and reap every child that is not ``known``, until none is left or too much time has gone by.

    Each worker is a subreaper, so what lands on the master belongs to a worker that is dead. One look is not enough:
    a family that forks and exits left ten survivors of a single snapshot, and none of repeated ones. Between a look
    and its kills nothing else is done, for that is the time in which such a family escapes; what a killed process
    leaves lands on us, and is seen at the next look.
    """
    changes: list[Change] = []
    struck: set[int] = set()
    until = time.monotonic() + _SWEEP_SECONDS
    while True:
        strangers = set(proc.children(os.getpid()))
        strangers -= set(known())
        for pid in strangers:
            kill(pid)
        changes += reap()
        if not strangers or time.monotonic() > until:
            return Swept(changes, not strangers)
        if strangers <= struck:
            select.select([], [], [], _PAUSE_SECONDS)  # all of them are dying
        struck |= strangers


def kill(pid: int) -> None:
    """SIGKILL, if it is still there."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
