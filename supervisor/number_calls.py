"""The part of :class:`supervisor.TaskQueue` that is about the system: numbers, workers, changes, draining."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from supervisor.client import calls
from supervisor.client.performing import Performing
from supervisor.directory import Directory
from supervisor.errors import TaskOptionError
from supervisor.ids import to_text
from supervisor.option_kinds import read_rate
from supervisor.queue_stats import QueueStats
from supervisor.system import lock
from supervisor.system.family import Meter
from supervisor.wire.numbers import WorkerRow
from supervisor.worker_records import ActiveTask, ChangeRecord, WorkerRecord, active_of, change_of, worker_of


@dataclass(slots=True)
class Meters:
    """What earlier calls saw of the processes, so that the next can tell what they have used since."""

    tree: Meter = field(default_factory=Meter)
    workers: Meter = field(default_factory=Meter)


class NumberCalls(Performing):
    """How the queue does, who works, and what can be changed while they do."""

    _meters: Meters

    @property
    def directory(self) -> Path:
        """The directory of the supervisor."""
        raise NotImplementedError

    # -- numbers -----------------------------------------------------------------------------------------------

    def stats(self) -> QueueStats:
        """The queue's numbers: of all tasks, by queue, by name; and what the processes use."""
        return self._measured(self._perform(calls.stats(self._timeout)))

    async def astats(self) -> QueueStats:
        """:meth:`stats` without blocking the event loop."""
        return await asyncio.to_thread(self._measured, await self._aperform(calls.stats(self._timeout)))

    def workers(self) -> list[WorkerRecord]:
        """The workers: what each runs and uses, and why the one before it on its seat died."""
        return self._looked_at(self._perform(calls.workers(self._timeout)))

    async def aworkers(self) -> list[WorkerRecord]:
        """:meth:`workers` without blocking the event loop."""
        return await asyncio.to_thread(self._looked_at, await self._aperform(calls.workers(self._timeout)))

    def active(self) -> list[ActiveTask]:
        """The tasks that run, the longest first."""
        return active_of(self._perform(calls.workers(self._timeout)))

    async def aactive(self) -> list[ActiveTask]:
        """:meth:`active` without blocking the event loop."""
        return active_of(await self._aperform(calls.workers(self._timeout)))

    def active_count(self) -> int:
        """How many tasks run."""
        return self._perform(calls.condition(self._timeout)).active

    async def aactive_count(self) -> int:
        """:meth:`active_count` without blocking the event loop."""
        return (await self._aperform(calls.condition(self._timeout))).active

    def is_accepting(self) -> bool:
        """Whether tasks are taken in: not after :meth:`drain`, until :meth:`open`."""
        return self._perform(calls.condition(self._timeout)).accepting

    async def ais_accepting(self) -> bool:
        """:meth:`is_accepting` without blocking the event loop."""
        return (await self._aperform(calls.condition(self._timeout))).accepting

    def is_shutting_down(self) -> bool:
        """Whether the supervisor is stopping: what runs may end, nothing is begun. What is submitted is kept."""
        return self._perform(calls.condition(self._timeout)).draining

    async def ais_shutting_down(self) -> bool:
        """:meth:`is_shutting_down` without blocking the event loop."""
        return (await self._aperform(calls.condition(self._timeout))).draining

    def _measured(self, stats: QueueStats) -> QueueStats:
        directory = Directory(self.directory)
        holders = (lock.holder(directory.lock), lock.holder(directory.guardian_lock))
        used = self._meters.tree.total(pid for pid in holders if pid is not None)
        return replace(
            stats,
            processes=used.processes,
            cpu_seconds=used.cpu_seconds,
            cpu_percent=used.cpu_percent,
            rss=used.rss,
        )

    def _looked_at(self, rows: list[WorkerRow]) -> list[WorkerRecord]:
        usage = self._meters.workers.look(row.pid for row in rows)
        return sorted((worker_of(row, usage[row.pid], _cpus(row.pid)) for row in rows), key=lambda each: each.seat)

    # -- draining ----------------------------------------------------------------------------------------------

    def drain(self, timeout: float = 30.0) -> list[str]:
        """Close the queue, and wait for what runs for at most ``timeout`` seconds; what runs then is stopped.

        From the first moment on a submit raises QueueDrainingError, and nothing is begun. What was stopped is put
        back, with no attempt counted: its ids are returned. It waits, with all that waited before, for :meth:`open`;
        restarts change nothing in that.
        """
        return [to_text(each) for each in self._perform(calls.drain(_timeout(timeout)))]

    async def adrain(self, timeout: float = 30.0) -> list[str]:
        """:meth:`drain` without blocking the event loop."""
        return [to_text(each) for each in await self._aperform(calls.drain(_timeout(timeout)))]

    def open(self) -> None:
        """Take tasks in again after :meth:`drain`, and go on with those that wait."""
        self._perform(calls.reopen(self._timeout))

    async def aopen(self) -> None:
        """:meth:`open` without blocking the event loop."""
        await self._aperform(calls.reopen(self._timeout))

    # -- changes while it runs ---------------------------------------------------------------------------------

    def configure(self, *, reset: Iterable[str] = (), **settings: Any) -> dict[str, Any]:
        """Change settings while the supervisor runs: at once, and across restarts. All that can be changed so, with
        the values in force; without arguments nothing but these.

        ``workers``, ``min_workers``, ``max_workers``, ``worker_idle_timeout``, ``max_waiting``, ``max_tasks``,
        ``max_tasks_jitter``, ``max_age``, ``max_memory``, ``memory_budget``, ``cancel_grace``, ``timeout``,
        ``soft_timeout``, ``max_retries``, ``retry_delay``, ``backoff``, ``max_delay``, ``retry_jitter``,
        ``crash_budget``, ``abort_budget``, ``memory_limit``, ``batch_time``, ``batch_size``, ``queue_limit``,
        ``queue_limits``, ``result_ttl``, ``record_ttl``, ``dead_ttl``. For what tasks choose themselves it is the
        default: also of those that wait, not of an attempt that runs. ``reset`` names settings that are to follow the
        configuration again. Raises SettingsError, a sentence for each fault, and then nothing was changed.
        """
        return self._perform(calls.configure(settings, list(reset), self._timeout))

    async def aconfigure(self, *, reset: Iterable[str] = (), **settings: Any) -> dict[str, Any]:
        """:meth:`configure` without blocking the event loop."""
        return await self._aperform(calls.configure(settings, list(reset), self._timeout))

    def set_limit(self, key: str, limit: int | None) -> None:
        """Have so many tasks with this ``limit_key`` run at once, whatever they say themselves, restarts included.

        0 holds all of them back; None has what they say hold again. What runs runs on. It says nothing to tasks that
        have no ``limit`` at all.
        """
        self._perform(calls.set_limit(_key(key), _limit(limit), self._timeout))

    async def aset_limit(self, key: str, limit: int | None) -> None:
        """:meth:`set_limit` without blocking the event loop."""
        await self._aperform(calls.set_limit(_key(key), _limit(limit), self._timeout))

    def set_rate(self, key: str, rate: str | None) -> None:
        """Have so many tasks with this ``rate_key`` start in a period, such as "10/s" or "100/5m", whatever they say
        themselves, restarts included; None has what they say hold again. Nothing to tasks without a ``rate``.
        """
        self._perform(calls.set_rate(_key(key), None if rate is None else read_rate(rate), self._timeout))

    async def aset_rate(self, key: str, rate: str | None) -> None:
        """:meth:`set_rate` without blocking the event loop."""
        await self._aperform(calls.set_rate(_key(key), None if rate is None else read_rate(rate), self._timeout))

    def changes(self, limit: int = 100) -> list[ChangeRecord]:
        """What was changed while the system ran, the latest first: settings, limits, rates, pauses, weights, drains."""
        return [change_of(row) for row in self._perform(calls.changes(limit, self._timeout))]

    async def achanges(self, limit: int = 100) -> list[ChangeRecord]:
        """:meth:`changes` without blocking the event loop."""
        return [change_of(row) for row in await self._aperform(calls.changes(limit, self._timeout))]


def _cpus(pid: int) -> frozenset[int]:
    try:
        return frozenset(os.sched_getaffinity(pid))
    except OSError:
        return frozenset()  # it is gone


def _timeout(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e9:
        raise TaskOptionError("timeout", value, "seconds, 0 or more")
    return float(value)


def _key(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 255:
        raise TaskOptionError("key", value, "a text of at most 255 characters")
    return value


def _limit(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TaskOptionError("limit", value, "a whole number, 0 or more, or None")
    return value
