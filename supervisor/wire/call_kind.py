"""How a call travels: the first byte of its payload, and the name that stands in front of calls by name.

Apart from the rest of a payload, which only clients and workers open: the broker looks at this much, and is to have no
way to open a pickle.
"""

from __future__ import annotations

import struct

BY_REFERENCE = b"R"
"""An import path and arguments, pickled."""
BY_VALUE = b"V"
"""The function itself and arguments, pickled."""
BY_NAME = b"N"
"""A registered name, then arguments, pickled."""
AS_JSON = b"J"
"""A registered name, then arguments as JSON."""
NAMED = (BY_NAME, AS_JSON)
_LENGTH = struct.Struct("!H")
_START = 1 + _LENGTH.size


def header(kind: bytes, name: str) -> bytes:
    """What a call by name begins with."""
    words = name.encode()
    return kind + _LENGTH.pack(len(words)) + words


def read_header(payload: bytes) -> tuple[str, int] | None:
    """The name that a payload calls and where its arguments begin; None when it calls none.

    Raises ValueError for one that was cut off or is no text.
    """
    if payload[:1] not in NAMED:
        return None
    if len(payload) < _START:
        raise ValueError("it ends before its name")
    end = _START + _LENGTH.unpack_from(payload, 1)[0]
    if len(payload) < end:
        raise ValueError("its name is cut off")
    return payload[_START:end].decode(), end
