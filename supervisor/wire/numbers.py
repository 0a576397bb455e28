"""What the broker tells of its workers, and of itself in three words."""

from __future__ import annotations

from msgspec import Struct


class Condition(Struct, frozen=True, array_like=True):
    """Whether tasks are taken in, whether the supervisor is shutting down, and how many tasks run."""

    accepting: bool
    draining: bool
    active: int


class HeldRow(Struct, frozen=True, array_like=True):
    """A task that a worker holds."""

    id: str
    name: str
    queue: str
    attempt: int
    started_at: float
    """When it was handed out: wall-clock seconds."""
    elapsed: float | None
    """For how many seconds it has run; None for one that has not begun."""
    limit: float | None
    """Its hard limit in seconds."""
    soft_limit: float | None = None
    """Its soft limit in seconds, where that comes before the hard one."""


class WorkerRow(Struct, frozen=True, array_like=True):
    """A worker."""

    worker: int
    pid: int
    seat: int
    generation: int
    tasks_done: int
    waiting: bool
    last_death: str | None
    last_death_at: float | None
    holds: list[HeldRow]
