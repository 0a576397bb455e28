"""What binds a task to others: its parents, what becomes of it when one of them does not succeed, its group."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from supervisor.core.retention import DEAD
from supervisor.states import State

Id = Annotated[bytes, Meta(min_length=16, max_length=16)]


class Fate(StrEnum):
    """What becomes of a task when a parent of it has ended otherwise than well."""

    CANCEL = "cancel"
    """It is cancelled."""
    FAIL = "fail"
    """It ends as failed."""
    RUN = "run"
    """It runs all the same, when all the others have ended."""


class Ties(Struct, frozen=True, array_like=True, gc=False):
    """All of them, as they travel and as the journal keeps them."""

    parents: list[Id]
    """It is not started before these have ended. Those that hand on their results come first, in order."""
    on_failure: Fate = Fate.CANCEL
    on_cancel: Fate = Fate.CANCEL
    takes: Annotated[int, Meta(ge=0)] = 0
    """How many of the parents, from the first on, hand on their results."""
    listed: bool = False
    """Whether those are its first argument as a list; else the one is."""
    group: bytes = b""
    """The group that it belongs to; empty for none."""
    size: int = 0
    """How many members the group has."""
    position: int = 0
    """Its place among the members; below 0 for what only leads to one of them."""


class Bond(Struct, gc=False):
    """The ties of an unfinished task, and how far they are."""

    ties: Ties
    delay: float = 0.0
    """Seconds that it is to wait when its parents have ended."""
    eta: float = 0.0
    """Wall-clock time before which it may not start all the same; 0 for none."""
    left: int = 0
    """How many of its parents have to end yet."""


def fate(ties: Ties, state: State) -> Fate:
    """What becomes of a task whose parent ended so."""
    if state is State.SUCCEEDED:
        return Fate.RUN
    return ties.on_failure if state in DEAD else ties.on_cancel
