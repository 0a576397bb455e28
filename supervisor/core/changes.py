"""What one turn of the broker changed, for the journal: each task once, in its last state."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import Struct

from supervisor.core.entry import Attempt, Entry, Lease
from supervisor.core.ready import NamedQueue
from supervisor.core.schedules import Schedule
from supervisor.core.ties import Bond, Ties
from supervisor.wire.messages import Submission


@dataclass(frozen=True, slots=True)
class Configured:
    """One thing that somebody changed while the system ran. Values are JSON."""

    what: str
    before: str
    after: str
    pid: int
    uid: int
    value: str | None = None
    """What is to be in force after a restart; None where the usual is, or where it is kept elsewhere."""


@dataclass(slots=True)
class NewTies:
    """What binds tasks that came in."""

    bonds: dict[int, Bond] = field(default_factory=dict)
    """By the seq of the task."""
    members: list[tuple[Ties, int, bytes]] = field(default_factory=list)
    """Of groups: the ties that make it so, the seq and the id of the task."""


class Changes(Struct, eq=False):
    """Collected by the book, written in one transaction, then dropped.

    A Struct, since there is one a turn: that is made in half of the time.
    """

    new: dict[int, Submission] = {}
    """Tasks that the journal has not seen, by seq."""
    touched: dict[int, Entry] = {}
    """Tasks whose row is out of date, by seq."""
    leases: dict[int, tuple[Lease, int]] = {}
    """Leases handed out, with the worker's pid, by seq."""
    attempts: list[Attempt] = []
    """Attempts that ended otherwise than well; one that succeeded is told by its task's row."""
    cancelling: list[int] = []
    """Running tasks that were asked to end, by seq."""
    results: dict[int, bytes] = {}
    """Results of tasks that succeeded, by seq."""
    ended: dict[bytes, Entry] = {}
    """Tasks that reached a final state, by id."""
    queues: dict[str, NamedQueue] = {}
    """Named queues that were paused, resumed or weighed."""
    asking: dict[int, str] = {}
    """Kills about which a task's error handler is to be asked, by seq; empty for one that was asked."""
    schedules: dict[str, Schedule | None] = {}
    """Schedules that have come further, or were changed; None for one that is gone."""
    revived: list[int] = []
    """Tasks, by seq, that had ended and were taken up again."""
    ties: NewTies | None = None
    """Ties that the journal has not seen; None, as a rule, for none."""
    contexts: list[tuple[int, bytes]] = []
    """What the contexts of new tasks begin with, by seq."""
    hooks: dict[str, str] = {}
    """What has to be known of hooks after a restart."""
    configured: list[Configured] = []
    """What was changed while the system ran."""
    blocks: dict[int, bool] = {}
    """Blocks of numbers that hold unfinished tasks now (True), or none any more."""
    wall: float = 0.0
    """When all this happened: wall-clock seconds."""

    @property
    def rare(self) -> bool:
        """Whether there is anything of what most turns have none of."""
        return bool(
            self.blocks
            or self.asking
            or self.queues
            or self.schedules
            or self.ties
            or self.contexts
            or self.hooks
            or self.configured
            or self.cancelling
        )

    def __bool__(self) -> bool:
        return bool(self.touched) or self.rare

    def new_ties(self) -> NewTies:
        """Where new ties are collected."""
        if self.ties is None:
            self.ties = NewTies()
        return self.ties
