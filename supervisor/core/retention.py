"""How long what has ended is kept. Pure: the time is passed in."""

from __future__ import annotations

import math
from dataclasses import dataclass

from supervisor.states import State

DEAD = frozenset({State.FAILED, State.TIMED_OUT, State.LOST})
"""The ends that make a task a dead letter."""


@dataclass(frozen=True, slots=True)
class Remains:
    """What is left of a task: as much as its end depends on."""

    state: State
    ended: float | None
    """Wall-clock seconds; None for a task that has not ended."""
    has_result: bool
    result_ttl: float | None
    """The task's own; None for the setting."""
    until: float = 0.0
    """Wall-clock time before which its record is needed for something else, such as a unique key's period."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What may go now, and when to look again."""

    result: bool
    record: bool
    next: float
    """Wall-clock time at which more may go; infinity for never."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Seconds after the end; ``dead_ttl`` None keeps dead letters until they are retried or dropped."""

    result_ttl: float
    record_ttl: float
    dead_ttl: float | None

    def fate(self, remains: Remains, wall: float) -> Fate:
        """What may go of a task. A record is kept at least as long as what it belongs to: result, dead letter, key."""
        ended = remains.ended
        if ended is None or not remains.state.ended:
            return Fate(result=False, record=False, next=math.inf)
        result_until = ended + (self.result_ttl if remains.result_ttl is None else remains.result_ttl)
        record_until = max(ended + self.record_ttl, remains.until)
        if remains.has_result:
            record_until = max(record_until, result_until)
        if remains.state in DEAD:
            record_until = max(record_until, math.inf if self.dead_ttl is None else ended + self.dead_ttl)
        result = remains.has_result and wall >= result_until
        later = [time for time in (result_until if remains.has_result else math.inf, record_until) if time > wall]
        return Fate(result, wall >= record_until, min(later, default=math.inf))

    @property
    def shortest(self) -> float:
        """The shortest of the three times."""
        return min(self.result_ttl, self.record_ttl, math.inf if self.dead_ttl is None else self.dead_ttl)
