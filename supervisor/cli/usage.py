"""What processes take, measured over a moment: psutil, which knows how to read it on every kernel."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil

from supervisor.system import proc
from supervisor.system.cpus import format_cpus

_MOMENT = 0.25


@dataclass(frozen=True, slots=True)
class Usage:
    """One process, or one with all that it started."""

    state: str
    """The kernel's word for it: sleeping, running, stopped, …"""
    cpu_percent: float
    """100 is one CPU."""
    rss: int
    """Bytes."""
    cpus: str
    """Where it may run, such as "0,2-3"."""
    children: int
    """How many processes of its own are counted in."""


def measure(pids: Iterable[int], with_children: Iterable[int]) -> Mapping[int, Usage]:
    """The usage of ``pids``; of those also ``with_children``, together with all that they started.

    Takes a quarter of a second. Processes that end meanwhile are left out.
    """
    whole = set(with_children)
    families = {pid: _family(pid, whole=pid in whole) for pid in pids}
    for family in families.values():
        _cpu(family)  # the first call of each only sets its mark
    time.sleep(_MOMENT)
    found = {pid: _read(family) for pid, family in families.items() if family}
    return {pid: usage for pid, usage in found.items() if usage is not None}


def _family(pid: int, *, whole: bool) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for each in [pid, *(proc.descendants(pid) if whole else ())]:
        try:
            found.append(psutil.Process(each))
        except psutil.Error:
            continue  # it has just ended
    return found


def _cpu(family: list[psutil.Process]) -> float:
    total = 0.0
    for process in family:
        try:
            total += process.cpu_percent(None)
        except psutil.Error:
            continue
    return total


def _read(family: list[psutil.Process]) -> Usage | None:
    try:
        first = family[0]
        state, cpus = str(first.status()), frozenset(first.cpu_affinity())
    except psutil.Error:
        return None
    rss = sum(proc.resident_bytes(process.pid) for process in family)
    return Usage(state, _cpu(family), rss, format_cpus(cpus), len(family) - 1)
