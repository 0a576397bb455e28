"""The queue's numbers, as callers read them. Durations are seconds, sizes are bytes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Times:
    """How long something took, in the last hour or two. Quantiles are at most 5 % off; None where nothing was timed."""

    count: int = 0
    mean: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers of some of the tasks: of one queue, of one name, or of all."""

    depth: int = 0
    """Tasks that wait for a worker, or at a limit."""
    delayed: int = 0
    """Tasks that wait for their time: a delay, the pause before another attempt."""
    running: int = 0
    """Tasks that were handed to a worker."""
    oldest_age: float | None = None
    """For how long the oldest of ``depth`` has waited; None where there is none."""
    last_claim_age: float | None = None
    """How long ago one was last handed to a worker; None where none was yet, or, at durability "off", none since the
    broker started."""
    succeeded: int = 0
    """Tasks that returned."""
    failed: int = 0
    """Tasks that ended failed, timed out or lost."""
    ended: dict[str, int] = field(default_factory=dict)
    """Tasks by the state in which they ended."""
    causes: dict[str, int] = field(default_factory=dict)
    """Attempts that did not succeed, by cause (see Cause), those among them that were repeated."""
    executed: int = 0
    """Attempts that have ended; not those that were put back uncounted."""
    last_minute: int = 0
    """How many of them in the last minute."""
    throughput: float = 0.0
    """The same a second."""
    error_rate: float = 0.0
    """The part, 0 to 1, of ``failed`` in what succeeded or failed."""
    wait: Times = Times()
    """From the moment a task was ready until it was handed to a worker."""
    run: Times = Times()
    """How long attempts ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """The numbers of a queue, all at one moment.

    What is counted – ``ended``, ``causes``, ``executed``, the times, the peak – goes on across restarts; the kill of a
    broker may take its last second along.
    """

    total: Figures
    """Of all tasks."""
    queues: dict[str, Figures]
    """By named queue."""
    tasks: dict[str, Figures]
    """By the name of the task."""
    unfinished: dict[str, int]
    """Tasks that have not ended, by state."""
    ready: int
    """Tasks that a worker could be given now, but for pauses."""
    limit: int
    """Unfinished tasks that the queue may hold."""
    workers: int
    """Workers that serve it."""
    busy: int
    """Workers that run something."""
    peak_concurrency: int
    """The most workers that ever ran something at once."""
    waiting_calls: int
    """Callers that wait for the end of a task."""
    accepting: bool
    """Whether tasks are taken in; see :meth:`TaskQueue.drain`."""
    draining: bool
    """Whether the supervisor is shutting down, and hands nothing out any more."""
    pid: int = 0
    """Of the broker."""
    durability: str = ""
    directory: str = ""
    uptime: float = 0.0
    """Since the start of the supervisor."""
    processes: int = 0
    """How many belong to the supervisor, with what its tasks have started."""
    cpu_seconds: float = 0.0
    """What those have used so far."""
    cpu_percent: float = 0.0
    """What they use: since this queue object was asked before, at first since they started. 100 is one CPU."""
    rss: int = 0
    """Resident bytes of all of them; pages that they share count in each."""

    @property
    def ended(self) -> dict[str, int]:
        """Tasks by the state in which they ended."""
        return self.total.ended

    @property
    def total_executed(self) -> int:
        """Attempts that have ended."""
        return self.total.executed

    @property
    def error_rate(self) -> float:
        """The part, 0 to 1, of all tasks that ended failed, timed out or lost."""
        return self.total.error_rate

    @property
    def throughput(self) -> float:
        """Attempts a second that have ended, in the last minute."""
        return self.total.throughput

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON say."""
        derived = ("ended", "total_executed", "error_rate", "throughput")
        return {**asdict(self), **{name: getattr(self, name) for name in derived}}
