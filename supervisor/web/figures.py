"""The figures of the overview, the queues and the workers: read at most once a second in a process, whoever looks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio.to_thread
import msgspec
from msgspec import Struct

from supervisor.errors import QueueUnavailableError, SupervisorError
from supervisor.journal.history import History
from supervisor.master.control import ask as ask_master
from supervisor.queue_stats import Figures, QueueStats
from supervisor.states import Cause
from supervisor.web.answer import Answer
from supervisor.web.backend import Backend
from supervisor.web.statements import SQL
from supervisor.worker_records import ActiveTask, WorkerRecord

FRESH_SECONDS = 1.0
_MOST_COUNTED = 50_000


class QueueFigures(Struct):
    """A named queue."""

    name: str
    weight: float
    paused: bool
    ready: int
    figures: Figures


class TaskFigures(Struct):
    """The tasks of one name."""

    name: str
    figures: Figures


class WorkerCounts(Struct):
    """How many work."""

    total: int = 0
    busy: int = 0
    peak: int = 0
    saturation: float = 0.0
    """The part, 0 to 1, that is busy."""


class ProcessCounts(Struct):
    """What the processes of the supervisor take."""

    count: int = 0
    cpu_percent: float = 0.0
    rss: int = 0


class Restarts(Struct):
    """What was replaced since the supervisor started."""

    broker: int = 0
    deaths: dict[str, int] = msgspec.field(default_factory=dict)
    recycled: dict[str, int] = msgspec.field(default_factory=dict)


class Overview(Answer):
    """All at one moment."""

    at: float
    reason: str = ""
    total: Figures = msgspec.field(default_factory=Figures)
    queues: list[QueueFigures] = msgspec.field(default_factory=list)
    tasks: list[TaskFigures] = msgspec.field(default_factory=list)
    unfinished: dict[str, int] = msgspec.field(default_factory=dict)
    limit: int = 0
    workers: WorkerCounts = msgspec.field(default_factory=WorkerCounts)
    accepting: bool = False
    draining: bool = False
    uptime: float = 0.0
    durability: str = ""
    processes: ProcessCounts = msgspec.field(default_factory=ProcessCounts)
    restarts: Restarts = msgspec.field(default_factory=Restarts)


class Worker(Struct):
    """A worker."""

    pid: int
    seat: int
    generation: int
    cpus: str
    cpu_percent: float
    rss: int
    tasks_done: int
    state: str
    """``busy`` or ``idle``."""
    waiting: bool
    last_death: Cause | None
    last_death_at: float | None
    tasks: tuple[ActiveTask, ...]


class Workers(Answer):
    """All workers, by seat."""

    workers: list[Worker]


class Queues(Answer):
    """The named queues."""

    queues: list[QueueFigures]


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at one moment."""

    overview: Overview
    workers: Workers
    stats: QueueStats | None = None
    mono: float = field(default_factory=time.monotonic)


class Observer:
    """Looks for everybody who asks at about the same time. Of one event loop."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._last: Look | None = None
        self._looking: asyncio.Future[Look] | None = None
        self.looks = 0
        """How often it has looked."""

    async def look(self, fresh: float = FRESH_SECONDS) -> Look:
        """What is there, ``fresh`` seconds old at most."""
        last = self._last
        if last is not None and time.monotonic() - last.mono < fresh:
            return last
        if self._looking is None:
            self._looking = asyncio.ensure_future(self._look())
            self._looking.add_done_callback(self._done)
        return await asyncio.shield(self._looking)

    async def live(self) -> Look:
        """The same; QueueUnavailableError where the supervisor does not answer."""
        found = await self.look()
        if not found.overview.live:
            raise QueueUnavailableError(str(self._backend.directory), found.overview.reason)
        return found

    def forget(self) -> None:
        """Something was changed: whoever looks next is to see it."""
        self._last = None
        self._looking = None

    def _done(self, looking: asyncio.Future[Look]) -> None:
        if looking is not self._looking:
            return  # something was changed since it began to look
        self._looking = None
        if not looking.cancelled() and looking.exception() is None:
            self._last = looking.result()

    async def _look(self) -> Look:
        self.looks += 1
        try:
            stats = await self._backend.look(lambda queue: queue.astats())
            workers = await self._backend.look(lambda queue: queue.aworkers())
            queues = await self._backend.look(lambda queue: queue.aqueues())
        except QueueUnavailableError as error:
            return await self._look_into_journal(error.reason)
        master = await anyio.to_thread.run_sync(self._ask_master)
        return Look(_overview(stats, queues, master), Workers(workers=[_worker(each) for each in workers]), stats)

    def _ask_master(self) -> Mapping[str, Any]:
        try:
            return ask_master(self._backend.directory, "status", timeout=1.0)
        except QueueUnavailableError:
            return {}

    async def _look_into_journal(self, reason: str) -> Look:
        try:
            unfinished = await self._backend.read(count_unfinished)
        except SupervisorError:
            unfinished = {}
        overview = Overview(live=False, at=time.time(), reason=reason, unfinished=unfinished)
        return Look(overview, Workers(live=False, workers=[]))


def count_unfinished(history: History) -> dict[str, int]:
    """Unfinished tasks by state; nothing where there are too many to be counted in passing."""
    found = dict(history.connection.execute(SQL["unfinished"], {"most": _MOST_COUNTED}).fetchall())
    return found if sum(found.values()) < _MOST_COUNTED else {}


def _overview(stats: QueueStats, queues: list[dict[str, Any]], master: Mapping[str, Any]) -> Overview:
    return Overview(
        at=time.time(),
        total=stats.total,
        queues=[_queue(row, stats) for row in queues],
        tasks=[TaskFigures(name, found) for name, found in stats.tasks.items()],
        unfinished=stats.unfinished,
        limit=stats.limit,
        workers=WorkerCounts(stats.workers, stats.busy, stats.peak_concurrency, stats.busy / max(1, stats.workers)),
        accepting=stats.accepting,
        draining=stats.draining,
        uptime=stats.uptime,
        durability=stats.durability,
        processes=ProcessCounts(stats.processes, stats.cpu_percent, stats.rss),
        restarts=Restarts(
            master.get("broker", {}).get("restarts", 0),
            dict(master.get("deaths", {})),
            dict(master.get("recycled", {})),
        ),
    )


def _queue(row: dict[str, Any], stats: QueueStats) -> QueueFigures:
    figures = stats.queues.get(row["name"], Figures())
    return QueueFigures(row["name"], row["weight"], row["paused"], row["ready"], figures)


def _worker(record: WorkerRecord) -> Worker:
    return Worker(
        pid=record.pid,
        seat=record.seat,
        generation=record.generation,
        cpus=record.cpus,
        cpu_percent=record.cpu_percent,
        rss=record.rss,
        tasks_done=record.tasks_done,
        state="busy" if record.tasks else "idle",
        waiting=record.waiting,
        last_death=record.last_death,
        last_death_at=record.last_death_at,
        tasks=record.tasks,
    )
