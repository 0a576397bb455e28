"""What broker and master have counted, as it is, for metrics: counts since their start, and what there is now.

Histograms travel by bucket, those that hold something: which seconds a bucket stands for, is for their reader to know.
"""

from __future__ import annotations

from msgspec import Struct


class TimesRow(Struct, frozen=True, array_like=True, gc=False):
    """How long something took, since the broker's start."""

    buckets: dict[int, int]
    """By the buckets of :mod:`supervisor.core.histogram`."""
    total: float
    """Seconds in all."""


class TaskRow(Struct, frozen=True, array_like=True):
    """The tasks of one name in one named queue, since the broker's start."""

    queue: str
    name: str
    ended: dict[str, int]
    """By the state in which they ended."""
    causes: dict[str, int]
    """Attempts that did not succeed, by cause."""
    wait: TimesRow
    run: TimesRow


class QueueRow(Struct, frozen=True, array_like=True):
    """What there is now in one named queue."""

    name: str
    ready: int
    """Tasks that wait for a worker alone."""
    limited: int
    """Tasks that wait at a limit or a rate."""
    scheduled: int
    retrying: int
    blocked: int
    running: int
    oldest_age: float | None
    """Seconds for which the first of ``ready`` and ``limited`` has waited; None where there is none."""
    paused: bool


class BrokerFigures(Struct, frozen=True, array_like=True):
    """What the broker knows."""

    version: str
    python: str
    sqlite: str
    accepting: bool
    limit: int
    """Unfinished tasks that the queue may hold."""
    disk_reserve: int
    """Bytes of the disk that are not for submits; 0 where nothing is written to one."""
    tasks: list[TaskRow]
    queues: list[QueueRow]
    commits: list[int]
    """Commits of the journal by the bits that their nanoseconds have."""
    commit_ns: int
    """Nanoseconds in all."""


class WorkerRow(Struct, frozen=True, array_like=True):
    """A worker."""

    seat: int
    pid: int
    """0 while it is not known."""
    state: str
    """starting, idle, busy, stopped, leaving, spare."""


class MasterFigures(Struct, frozen=True):
    """What the master knows."""

    since: float
    """The wall-clock time of the tree's start."""
    draining: bool
    import_failed: bool
    wanted: int
    pids: dict[str, int]
    """Of its processes by role, but for workers; 0 for one that is not there."""
    workers: list[WorkerRow]
    deaths: dict[str, int]
    """Of workers, by cause."""
    left: dict[str, int]
    """Workers that were asked to leave, by reason."""
    lateness: dict[str, TimesRow]
    """How long after they were due kills had done their work, by cause."""
    restarts: dict[str, int]
    """By role."""
