"""The records that the book keeps: a task, its lease, the worker that holds it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec import Struct

from supervisor.core.keys import NO_KEYS, Keys
from supervisor.core.kind import Kind
from supervisor.core.moment import Moment
from supervisor.core.ties import Bond
from supervisor.states import Cause, State
from supervisor.wire.messages import Report


class Counts(NamedTuple):
    """The attempts that have ended and counted, by the budget that they counted on."""

    failures: int = 0
    crashes: int = 0
    aborts: int = 0


NO_COUNTS = Counts()
"""What tasks have before their first attempt has ended: one for all of them."""


class Entry(Struct, gc=False, eq=False):
    """An unfinished task: what is needed to order, find and count it. Its payload stays in the journal.

    A Struct outside the garbage collector, since a deep queue holds a million of them and they never form cycles.
    """

    seq: int
    """Its place in the order of arrival, and its row in the journal."""
    id: bytes
    kind: Kind
    generation: int
    state: State
    due: Moment | None = None
    """When it may start; None for at once. The wall clock's time is for the journal."""
    lease: int = 0
    """The lease handed out last; 0 before the first."""
    counts: Counts = NO_COUNTS
    files: int = 0
    priority: int = 0
    since: float = 0.0
    """Monotonic time since which it has been ready; ageing counts from there."""
    expires: float = 0.0
    """Wall-clock time after which it is not started any more; 0 for never."""
    keys: Keys = NO_KEYS
    asking: Cause | None = None
    """The kill after which its own error handler is to be asked, in another worker, what comes next."""
    bond: Bond | None = None
    """Its ties to other tasks; None for none."""

    @property
    def attempts(self) -> int:
        """How many attempts have ended and counted."""
        return 0 if self.counts is NO_COUNTS else sum(self.counts)


class Lease(Struct, gc=False):
    """One handing-out of a task to a worker."""

    number: int
    entry: Entry
    worker: int
    deadline_ns: int
    started_wall: float
    fenced: Cause | None = None
    """Why the worker is about to be killed; no answer counts any more."""
    late: Report | None = None
    """What came after the fence: it counts after all if the kill is called off."""
    cancelling: bool = False


@dataclass(slots=True, eq=False)
class Worker:
    """A worker as the book sees it."""

    number: int
    slot: int
    pid: int
    generation: int
    leases: deque[Lease] = field(default_factory=deque)
    wants: int = 0
    """How many tasks it has asked for and waits for."""


@dataclass(frozen=True, slots=True)
class Death:
    """How a worker's process ended, for the attempt that it takes along."""

    cause: Cause
    message: str = ""
    """A sentence: the signal's name, the exit code, the limit."""
    stack: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt did not succeed."""

    cause: Cause
    type: str = ""
    message: str = ""
    traceback: str = ""
    stack: str | None = None
    retry_in: float | None = None
    """Seconds before the next attempt, where the task chose them."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that has ended otherwise than well, for the journal."""

    seq: int
    lease: int
    number: int
    worker: int
    pid: int
    started_wall: float
    ended_wall: float
    failure: Failure
