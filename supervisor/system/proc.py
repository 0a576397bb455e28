"""What /proc tells about processes: identity, state, parents, memory."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_MOST_BYTES = 4096
_PAGE = os.sysconf("SC_PAGE_SIZE")
_STAT_STATE, _STAT_PPID, _STAT_SESSION, _STAT_USER, _STAT_SYSTEM, _STAT_START = 0, 1, 3, 11, 12, 19
_SCHED_CLOCK = 2
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Identity:
    """A process, told apart from a later one with the same pid by the time it started (in clock ticks)."""

    pid: int
    start: int


def _stat(pid: int) -> list[str] | None:
    try:
        text = _read(f"/proc/{pid}/stat")
    except OSError:
        return None
    # The command name stands in parentheses and may itself hold some.
    return text.rpartition(b")")[2].decode().split()


def _read(path: str) -> bytes:
    """A short file of /proc, in three system calls; ``open`` makes nine, and some of these are read twice a second."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _MOST_BYTES)
    finally:
        os.close(descriptor)


def identity(pid: int) -> Identity | None:
    """Who ``pid`` is now, or None when there is no such process."""
    fields = _stat(pid)
    return Identity(pid, int(fields[_STAT_START])) if fields else None


def times(pid: int) -> tuple[Identity, float] | None:
    """Who ``pid`` is, and the seconds of CPU that it has used; None when there is no such process."""
    fields = _stat(pid)
    if not fields:
        return None
    return Identity(pid, int(fields[_STAT_START])), (int(fields[_STAT_USER]) + int(fields[_STAT_SYSTEM])) / _TICK


def is_alive(who: Identity) -> bool:
    """Whether this very process still runs (a zombie does not)."""
    fields = _stat(who.pid)
    return fields is not None and int(fields[_STAT_START]) == who.start and fields[_STAT_STATE] not in "ZX"


def state(pid: int) -> str | None:
    """The one-letter state of proc(5), such as ``T`` for stopped; None when there is no such process."""
    fields = _stat(pid)
    return fields[_STAT_STATE] if fields else None


def is_stopped(pid: int) -> bool:
    """Whether it is stopped, by a signal or by who traces it."""
    return state(pid) in ("T", "t")


def parent(pid: int) -> int | None:
    """The pid of the parent, or None when there is no such process."""
    fields = _stat(pid)
    return int(fields[_STAT_PPID]) if fields else None


def ancestors(pid: int) -> Iterator[int]:
    """The parent, its parent, and so on, as far as this process may see them."""
    while above := parent(pid):
        yield above
        pid = above


def children(pid: int) -> list[int]:
    """The pids of the direct children, those of every thread."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                found += map(int, file.read().split())
        except OSError:
            continue
    return found


def descendants(pid: int) -> Iterator[int]:
    """Every living descendant, parents before their children. A snapshot: a forking tree must be asked again."""
    found = children(pid)
    while found:  # and not by recursion: a task may spawn a chain that is longer than Python's stack
        child = found.pop()
        yield child
        found += children(child)


def in_sessions(leaders: Collection[int]) -> Iterator[int]:
    """Every process of the sessions that these processes lead, or led before they died."""
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(int(name))) and int(fields[_STAT_SESSION]) in leaders:
            yield int(name)


def cpu_ns(pid: int) -> int:
    """Nanoseconds of CPU that all threads of a process have used; 0 when it is gone."""
    try:
        return time.clock_gettime_ns(~pid << 3 | _SCHED_CLOCK)  # how the kernel numbers the CPU clock of a process
    except OSError:
        return 0


def resident_bytes(pid: int) -> int:
    """The resident set of one process in bytes; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def tree_resident_bytes(pid: int) -> int:
    """The resident sets of a process and all its descendants, in bytes (shared pages count in each)."""
    return resident_bytes(pid) + sum(map(resident_bytes, descendants(pid)))


def proportional_bytes(pid: int) -> int:
    """Like :func:`resident_bytes`, but of a page that n processes share only the nth part. Slow for large processes:
    the kernel goes through all of their pages.
    """
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return resident_bytes(pid)


def tree_proportional_bytes(pid: int) -> int:
    """What a process and all its descendants take together, pages that they share among them counted once."""
    return proportional_bytes(pid) + sum(map(proportional_bytes, descendants(pid)))


def command(pid: int) -> str:
    """The command line, words joined by spaces; empty when there is none."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def oom_kills() -> int:
    """How many processes the kernel has killed for memory since boot."""
    try:
        with open("/proc/vmstat", encoding="ascii") as file:
            for line in file:
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    except OSError:
        return 0
    return 0
