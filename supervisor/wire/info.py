"""What a caller learns from the broker before it submits: how payloads are to travel, and what a name stands for."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Info(Struct, frozen=True, array_like=True):
    """How the supervisor at the other end takes arguments and gives results."""

    payloads: str
    """``pickle`` or ``json``."""
    inline_limit: int
    """Bytes over which arguments travel by file."""
    payload_limit: int
    """Bytes over which they are refused."""
    message_limit: int = 16 << 20
    """Bytes of the largest message that it reads."""


class Known(Struct, frozen=True, array_like=True):
    """What a registered name stands for, as far as a caller has to know."""

    spread: bool
    """Whether it takes the items that it is given by name, as a task does; a handler takes them all as one."""
    options: dict[str, Any]
    """The options that it was registered with, but for those that are no plain data: they stay with the workers."""
    asks_after_kill: bool = False
    """Whether its own code is to be asked what comes after a kill."""


class Looked(Struct, frozen=True, array_like=True):
    """The answer to a name."""

    known: Known | None
    nearest: str | None = None
    """Where it is not known: the name that it was probably meant to be."""
