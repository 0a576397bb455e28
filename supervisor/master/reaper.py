"""Waiting for children, and clearing away the processes that dead workers left."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from supervisor.system import proc

_SWEEP_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Change:
    """A child that stopped or ended."""

    pid: int
    status: int

    @property
    def stopped(self) -> bool:
        """Whether it was only stopped."""
        return os.WIFSTOPPED(self.status)


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
        with suppress(ProcessLookupError, PermissionError):
            os.kill(each, signal.SIGKILL)


def sweep(known: Callable[[], Iterable[int]]) -> list[Change]:
    """Kill and reap every child that is not ``known``, until none is left; what was reaped on the way.

    Each worker is a subreaper, so what lands on the master belongs to a worker that is dead. One look is not enough:
    a family that forks and exits left ten survivors of a single snapshot, and none of repeated ones.
    """
    changes: list[Change] = []
    until = time.monotonic() + _SWEEP_SECONDS
    while time.monotonic() < until:
        strangers = set(proc.children(os.getpid())) - set(known())
        if not strangers:
            break
        for pid in strangers:
            for each in [pid, *proc.descendants(pid)]:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(each, signal.SIGKILL)
        changes += reap()
    return changes
