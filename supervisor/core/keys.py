"""The keys of one task: what it shares with others, and what it must not share."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Key = Annotated[str, Meta(min_length=1, max_length=255)]


class Unique(Struct, frozen=True, array_like=True, gc=False):
    """Only one task at a time may hold this key."""

    key: Key
    until: str = "finished"
    """``started``, ``finished``, or ``period``."""
    seconds: float = 0.0
    """How long it is held, for ``period``."""


class Limit(Struct, frozen=True, array_like=True, gc=False):
    """At most ``most`` tasks with this key may run at once."""

    key: Key
    most: Annotated[int, Meta(ge=1)]


class Rate(Struct, frozen=True, array_like=True, gc=False):
    """At most ``most`` tasks with this key may start in any ``seconds``."""

    key: Key
    most: Annotated[int, Meta(ge=1)]
    seconds: Annotated[float, Meta(gt=0)]


class Keys(Struct, frozen=True, array_like=True, gc=False):
    """All keys of a task."""

    unique: Unique | None = None
    limit: Limit | None = None
    rate: Rate | None = None


NO_KEYS = Keys()
