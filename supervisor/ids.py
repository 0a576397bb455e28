"""Task ids: time-ordered, made by whoever submits.

Time order keeps the journal's index growing at its end (random ids made inserts four times slower at a million
rows). Being made by the client, an id makes a repeated ``submit`` harmless. The layout is UUID version 7 (RFC 9562).
"""

from __future__ import annotations

import os
import random
import time
import uuid

from supervisor.errors import UnknownTaskError

_RANDOM_BITS = 62
# A generator of our own, so that an application that seeds Python's gets no id twice; seeded anew after a fork.
_random = random.Random()
os.register_at_fork(after_in_child=_random.seed)


def new_id() -> bytes:
    """A fresh id: 16 bytes, ordered by the millisecond it was made in."""
    nanoseconds = time.time_ns()
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    # RFC 9562, method 3: the sub-millisecond fraction fills rand_a, so ids of one process keep their order.
    fraction = (rest << 12) // 1_000_000
    return _layout(milliseconds, fraction, _random.getrandbits(_RANDOM_BITS))


def ordered_id(milliseconds: int, seed: int) -> bytes:
    """The id that belongs to this millisecond and this seed (of 74 bits or more): always the same."""
    return _layout(milliseconds, seed >> _RANDOM_BITS & 0xFFF, seed & (1 << _RANDOM_BITS) - 1)


def _layout(milliseconds: int, fraction: int, tail: int) -> bytes:
    number = (milliseconds << 80) | (0x7 << 76) | (fraction << 64) | (0b10 << 62) | tail
    return number.to_bytes(16, "big")


def to_text(task_id: bytes) -> str:
    """The form that people and URLs see: 32 hexadecimal digits."""
    return task_id.hex()


def id_of(text: str) -> bytes:
    """The id behind its text; UnknownTaskError where the text is no id."""
    found = from_text(text)
    if found is None:
        raise UnknownTaskError(str(text))
    return found


def from_text(text: str) -> bytes | None:
    """The id behind its text (dashes allowed), or None where the text is no id."""
    try:
        return uuid.UUID(text).bytes
    except (ValueError, AttributeError, TypeError):
        return None
