"""Which slots of a schedule passed without a task of their own: how many, the last of them, and why.

Only what is over for good is counted, once a slot. A clock that is set forward by mistake seems to make many miss; when
it is set back into that jump, what was counted of slots that are still to come is taken back.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

_MOST_JUMPS = 3
"""Times that were passed over of which it is kept what had been counted before."""


class MissCause(StrEnum):
    """Why a slot of a schedule had no task of its own."""

    AWAY = "away"
    """No supervisor ran, the machine was too busy, or the clock was set forward."""
    HELD = "held"
    """The queue was full, or took no tasks."""
    OVERLAP = "overlap"
    """A task of an earlier slot had not ended (overlap "skip")."""
    REFUSED = "refused"
    """Its task was refused for good: its function is no longer registered, say."""


class Missed(Struct, frozen=True, array_like=True):
    """What was counted."""

    count: int = 0
    at_least: bool = False
    """There were more: somewhere counting was broken off."""
    last: int | None = None
    """The last slot that was missed, in milliseconds since 1970."""
    cause: MissCause | None = None
    """Why that one was."""

    def plus(self, count: int, last: int, cause: MissCause, *, at_least: bool = False) -> Missed:
        """With so many more, up to the slot ``last``."""
        return Missed(self.count + count, self.at_least or at_least, last, cause)


class Jump(Struct, frozen=True, array_like=True):
    """A time that was passed over, and what had been counted before it."""

    low: int
    high: int
    before: Missed


NOTHING = Missed()


class Misses(Struct, omit_defaults=True):
    """The count of one schedule, and what is needed to count no slot twice."""

    total: Missed = NOTHING
    judged: int = 0
    """Slots up to here were judged before the clock was set back; they are not counted once more."""
    jumps: list[Jump] = []

    def one(self, slot: int, cause: MissCause) -> None:
        """This slot was dealt with, and has no task."""
        if slot > self.judged:
            self.total = self.total.plus(1, slot, cause)

    def passed(self, low: int, high: int, total: Missed) -> None:
        """The slots between these two were counted."""
        self.jumps = [*self.jumps[1 - _MOST_JUMPS :], Jump(low, high, self.total)]
        self.total = total

    def set_back(self, seen: int, now: int) -> int:
        """The clock was set back to ``now`` when everything up to ``seen`` was judged. From where to judge anew."""
        for place, jump in enumerate(self.jumps):
            if jump.low <= now < jump.high:
                self.total, self.judged, self.jumps = jump.before, 0, self.jumps[:place]
                return jump.low
        self.judged = max(self.judged, seen)
        return now
