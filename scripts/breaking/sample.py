"""What the processes of a run take at one moment."""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass, fields
from pathlib import Path

from scripts.breaking.flow import Flow
from scripts.breaking.house import House
from scripts.measuring.figures import percentile
from supervisor.system import proc


@dataclass(frozen=True, slots=True)
class Sample:
    """Sizes in bytes, times in seconds."""

    minute: float
    arbiter_rss: int
    master_rss: int
    broker_rss: int
    template_rss: int
    arbiter_fds: int
    master_fds: int
    broker_fds: int
    journal: int
    """The database and its log."""
    rate: float
    """Tasks a second that have ended."""
    median: float
    """Of a request that submits."""
    p99: float
    workers: int
    """How many there were so far, one after the other."""

    @classmethod
    def flat(cls) -> list[str]:
        """The figures that must not grow."""
        return [each.name for each in fields(cls) if each.name.rpartition("_")[2] in ("rss", "fds", "journal")]

    @staticmethod
    def heading() -> str:
        """Of the lines that samples print as."""
        return (
            "minute   MiB: arbiter  master  broker template   fds: arbiter master broker   journal MiB"
            "   tasks/s   request p50, p99 ms   workers"
        )

    def __str__(self) -> str:
        sizes = [each / 2**20 for each in (self.arbiter_rss, self.master_rss, self.broker_rss, self.template_rss)]
        return (
            f"{self.minute:6.1f}   {sizes[0]:12.1f} {sizes[1]:7.1f} {sizes[2]:7.1f} {sizes[3]:8.1f}"
            f"   {self.arbiter_fds:12} {self.master_fds:6} {self.broker_fds:6}   {self.journal / 2**20:11.1f}"
            f"   {self.rate:7.1f}   {self.median * 1e3:12.1f} {self.p99 * 1e3:6.1f}   {self.workers:7}"
        )


class Sampler:
    """Looks from outside."""

    def __init__(self, house: House, flow: Flow) -> None:
        self._house = house
        self._flow = flow
        self._ended = sum(house.queue.stats().ended.values())
        self._minute = 0.0
        self._numbers: set[int] = set()

    def take(self, minute: float) -> Sample:
        """What there is now; times and rates are of the time since the last one."""
        house = self._house
        (arbiter,), (master,), (broker,), (template,) = map(house.pids, ("arbiter", "master", "broker", "template"))
        ended = sum(house.queue.stats().ended.values())
        rate = (ended - self._ended) / (60 * (minute - self._minute))
        self._ended, self._minute = ended, minute
        status = house.status()
        assert status is not None
        self._numbers |= {worker["worker"] for worker in status["workers"]}  # they are counted up
        times = self._flow.take_times()
        return Sample(
            minute,
            arbiter_rss=proc.resident_bytes(arbiter),
            master_rss=proc.resident_bytes(master),
            broker_rss=proc.resident_bytes(broker),
            template_rss=proc.resident_bytes(template),
            arbiter_fds=_descriptors(arbiter),
            master_fds=_descriptors(master),
            broker_fds=_descriptors(broker),
            journal=sum(_size(house.dir / name) for name in ("journal.db", "journal.db-wal")),
            rate=rate,
            median=statistics.median(times) if times else 0.0,
            p99=percentile(times, 0.99) if times else 0.0,
            workers=max(self._numbers) - min(self._numbers) + 1,
        )


def _descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
