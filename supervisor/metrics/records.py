"""What was seen of a supervisor at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from supervisor.wire.figures import BrokerFigures, MasterFigures


@dataclass(frozen=True, slots=True)
class Process:
    """What a process takes."""

    cpu_seconds: float
    memory: int
    """Resident bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """What lies on the disk. Sizes are bytes."""

    database: int
    wal: int
    payloads: int
    available: int
    size: int
    dead_letters: int | None
    """None where the journal does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All of it; None for what did not answer."""

    directory: str
    master: MasterFigures | None = None
    broker: BrokerFigures | None = None
    disk: Disk | None = None
    processes: Mapping[str, Process] = field(default_factory=dict)
    """By role."""
    seats: Mapping[str, Process] = field(default_factory=dict)
    """Workers by seat, each with all that it has started."""
    seconds: float = 0.0
    """How long it took to look."""
