"""What callers read about workers, about what runs, and about what was changed. Times are wall-clock seconds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from supervisor.states import Cause
from supervisor.system.cpus import format_cpus
from supervisor.system.family import Usage
from supervisor.wire.numbers import HeldRow, WorkerRow


@dataclass(frozen=True, slots=True)
class ActiveTask:
    """A task that a worker runs, or was given."""

    id: str
    name: str
    queue: str
    attempt: int
    worker: int
    """The worker's pid."""
    started_at: float
    """When it was handed out."""
    elapsed: float | None
    """For how many seconds it has run; None for one that the worker has not begun."""
    limit: float | None
    """Its hard limit in seconds; None for none."""
    soft_limit: float | None = None
    """Its soft limit in seconds; None for none, and for one that is not below the hard limit, which comes first."""


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """A worker, as it is."""

    pid: int
    seat: int
    """Its place among the workers, which decides its CPU."""
    generation: int
    """Of the code that it runs."""
    cpus: str
    """Where it may run, such as "0,2-3"."""
    cpu_percent: float
    """What it uses, with what its task has started: since this queue object was asked before, at first since it
    started. 100 is one CPU."""
    rss: int
    """Resident bytes, of the same."""
    tasks_done: int
    """How many tasks it has ended."""
    tasks: tuple[ActiveTask, ...]
    """What it holds, in the order in which it runs them: more than one only of short ones."""
    waiting: bool
    """Whether its task waits for another one."""
    last_death: Cause | None
    """Why the one before it on its seat died; None where none did."""
    last_death_at: float | None

    @property
    def task_id(self) -> str | None:
        """The id of the task that it runs."""
        return self.tasks[0].id if self.tasks else None

    @property
    def task_name(self) -> str | None:
        """The name of that."""
        return self.tasks[0].name if self.tasks else None

    @property
    def elapsed(self) -> float | None:
        """For how many seconds it has run that."""
        return self.tasks[0].elapsed if self.tasks else None

    @property
    def limit(self) -> float | None:
        """The hard limit of that, in seconds."""
        return self.tasks[0].limit if self.tasks else None

    @property
    def soft_limit(self) -> float | None:
        """The soft limit of that, in seconds."""
        return self.tasks[0].soft_limit if self.tasks else None


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """Something that was changed while the system ran."""

    at: float
    pid: int
    """The process that changed it."""
    uid: int
    what: str
    """A setting; ``limit:`` or ``rate:`` and the key; ``queue:``, the name and ``paused`` or ``weight``;
    ``accepting``."""
    before: Any
    after: Any


def worker_of(row: WorkerRow, usage: Usage, cpus: frozenset[int]) -> WorkerRecord:
    """The record behind a row that the broker sent, with what was measured here."""
    return WorkerRecord(
        pid=row.pid,
        seat=row.seat,
        generation=row.generation,
        cpus=format_cpus(cpus),
        cpu_percent=usage.cpu_percent,
        rss=usage.rss,
        tasks_done=row.tasks_done,
        tasks=tuple(_task_of(row, held) for held in row.holds),
        waiting=row.waiting,
        last_death=Cause(row.last_death) if row.last_death else None,
        last_death_at=row.last_death_at,
    )


def active_of(rows: list[WorkerRow]) -> list[ActiveTask]:
    """What these workers run, the longest first."""
    found = [_task_of(row, row.holds[0]) for row in rows if row.holds]
    return sorted(found, key=lambda task: task.elapsed or 0.0, reverse=True)


def change_of(row: tuple[float, int, int, str, str, str]) -> ChangeRecord:
    """The record behind a row that the broker sent."""
    at, pid, uid, what, before, after = row
    return ChangeRecord(at, pid, uid, what, json.loads(before), json.loads(after))


def _task_of(row: WorkerRow, held: HeldRow) -> ActiveTask:
    return ActiveTask(
        held.id,
        held.name,
        held.queue,
        held.attempt,
        row.pid,
        held.started_at,
        held.elapsed,
        held.limit,
        held.soft_limit,
    )
