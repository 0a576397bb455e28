"""What a schedule is to do, as the code declared it or a client added it; and what it is shown as."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from supervisor.core.missed import NOTHING, Missed
from supervisor.core.slots import Timing
from supervisor.wire.messages import Submission

LONGEST_NAME = 200
ScheduleName = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]


class Misfire(StrEnum):
    """What becomes of slots that went by while nothing could be started: no supervisor ran, or the clock jumped."""

    ONCE = "once"
    """The latest of them is run, for all."""
    SKIP = "skip"
    """None of them is run."""
    ALL = "all"
    """Each of them is run, the oldest first."""


class Overlap(StrEnum):
    """What becomes of a slot when a task of an earlier one has not ended."""

    ALLOW = "allow"
    """It is run beside that one."""
    SKIP = "skip"
    """It is passed over."""
    QUEUE = "queue"
    """It is run after that one."""


class Plan(Struct, frozen=True):
    """A schedule, with all that is needed to submit its task."""

    name: ScheduleName
    timing: Timing
    task: Submission
    """What is submitted, but for its id and its generation."""
    misfire: Misfire = Misfire.ONCE
    grace: int | None = None
    """Milliseconds after a slot in which it may still be run; None for any time."""
    overlap: Overlap = Overlap.ALLOW


class ScheduleRow(Struct, frozen=True, array_like=True):
    """What a client gets to read about a schedule; times are milliseconds since 1970."""

    name: str
    task: str
    timing: Timing
    start: int | None
    stop: int | None
    misfire: Misfire
    grace: int | None
    overlap: Overlap
    declared: bool
    paused: bool
    next_slot: int | None
    last_slot: int | None
    last_task: bytes | None
    missed: Missed = NOTHING
