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
class Retention:
    """Seconds after the end; ``dead_ttl`` None keeps dead letters until they are retried or dropped."""

    result_ttl: float
    record_ttl: float
    dead_ttl: float | None

    def result_until(self, remains: Remains) -> float:
        """The wall-clock time until which a result is kept; infinity where there is none, or no end yet."""
        if remains.ended is None or not remains.has_result:
            return math.inf
        return remains.ended + (self.result_ttl if remains.result_ttl is None else remains.result_ttl)

    def record_until(self, remains: Remains) -> float:
        """The same of the record. It is kept at least as long as what it belongs to: result, dead letter, key."""
        if remains.ended is None:
            return math.inf
        kept = [remains.ended + self.record_ttl, remains.until]
        if remains.has_result:
            kept.append(self.result_until(remains))
        if remains.state in DEAD:
            kept.append(remains.ended + self.dead_seconds)
        return max(kept)

    @property
    def dead_seconds(self) -> float:
        """How long a dead letter is kept; infinity for ever."""
        return math.inf if self.dead_ttl is None else max(self.dead_ttl, self.record_ttl)

    @property
    def shortest(self) -> float:
        """The shortest of the times."""
        return min(self.result_ttl, self.record_ttl)
