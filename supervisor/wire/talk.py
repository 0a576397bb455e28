"""What a task says while it runs: frames in a pipe that outlives its worker.

Each frame fits in one atomic write (PIPE_BUF), so processes that a task forks can talk through the same pipe.
"""

from __future__ import annotations

import os
import select
import struct
from enum import IntEnum
from typing import Any

import msgspec
from msgspec import Raw, Struct

from supervisor.wire.messages import ProfileData, ProgressData

_HEADER = struct.Struct("!HBq")
_MOST = select.PIPE_BUF - _HEADER.size
_PART = struct.Struct("!QHH")
_MOST_PART = _MOST - _PART.size
_MOST_OPEN = 16


class Kind(IntEnum):
    """What a frame holds."""

    OUTPUT = 1
    """Text that the task printed."""
    PROGRESS = 2
    """A :class:`~supervisor.wire.messages.ProgressData`."""
    ERRORS = 3
    """Text that the task printed to stderr."""
    RAW = 4
    """Text that was written past Python, and taken out of the raw pipe by the worker."""
    RECORD = 5
    """Part of a letter: a :class:`LogRecord`."""
    CONTEXT = 6
    """Part of a letter: what the task has put into its context."""
    PROFILE = 7
    """Part of a letter: a :class:`~supervisor.wire.messages.ProfileData`."""


class Said(Struct, frozen=True, gc=False):
    """A frame that was read."""

    kind: int
    lease: int
    data: bytes


class LogRecord(Struct, frozen=True, array_like=True, gc=False):
    """What a task gave to ``logging``."""

    at: float
    level: str
    logger: str
    message: str
    extra: Raw


_encode = msgspec.msgpack.Encoder().encode
decode_record = msgspec.msgpack.Decoder(LogRecord).decode
decode_progress = msgspec.msgpack.Decoder(ProgressData).decode
Puts = list[tuple[str, Any]]
"""Places in a context, and what was put there."""
encode_puts = msgspec.msgpack.Encoder().encode
decode_puts = msgspec.msgpack.Decoder(Puts).decode
encode_profile = _encode
decode_profile = msgspec.msgpack.Decoder(ProfileData).decode


def frames(kind: Kind, lease: int, data: bytes) -> list[bytes]:
    """The writes that carry ``data``; it is cut where no character of UTF-8 is cut in two."""
    made: list[bytes] = []
    start = 0
    while start < len(data):
        end = start + _MOST
        while end < len(data) and data[end] & 0xC0 == 0x80 and end > start + _MOST - 4:
            end -= 1
        piece = data[start:end]
        made.append(_HEADER.pack(len(piece), kind, lease) + piece)
        start = end
    return made


def progress_frame(lease: int, progress: ProgressData) -> bytes:
    """The one write that carries a progress report (its message cut to fit)."""
    body = _encode(progress)
    if len(body) > _MOST:
        body = _encode(msgspec.structs.replace(progress, message=progress.message[:500]))
    return _HEADER.pack(len(body), Kind.PROGRESS, lease) + body


def record_letter(lease: int, record: LogRecord) -> list[bytes]:
    """The writes that carry a log record."""
    return letter(Kind.RECORD, lease, _encode(record))


def letter(kind: Kind, lease: int, data: bytes) -> list[bytes]:
    """The writes that carry data which makes sense only as a whole. Others may write between two of them, so each
    says which letter it is a part of.
    """
    number = int.from_bytes(os.urandom(8))
    pieces = [data[start : start + _MOST_PART] for start in range(0, len(data), _MOST_PART)] or [b""]
    heads = (_PART.pack(number, place, len(pieces)) for place in range(len(pieces)))
    bodies = [head + piece for head, piece in zip(heads, pieces, strict=True)]
    return [_HEADER.pack(len(body), kind, lease) + body for body in bodies]


class Letters:
    """Puts the parts of letters together again. What its writer did not live to finish gives way to what is newer."""

    def __init__(self) -> None:
        self._open: dict[int, list[bytes]] = {}

    def add(self, part: bytes) -> bytes | None:
        """The letter that is whole with this part; None while more of it is to come."""
        if len(part) < _PART.size:
            return None  # nothing that we wrote
        number, place, count = _PART.unpack_from(part)
        data = part[_PART.size :]
        if count == 1:
            return data
        parts = self._open.setdefault(number, [])
        if place != len(parts):
            del self._open[number]  # its beginning was read by a broker that is dead
            return None
        parts.append(data)
        if len(parts) == count:
            return b"".join(self._open.pop(number))
        if len(self._open) > _MOST_OPEN:
            del self._open[next(iter(self._open))]
        return None


class TalkBuffer:
    """Bytes from the pipe, frames as they are complete."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Said]:
        """Add what was read; the frames that are complete now."""
        buffer = self._buffer + data
        said: list[Said] = []
        start = 0
        while len(buffer) - start >= _HEADER.size:
            length, kind, lease = _HEADER.unpack_from(buffer, start)
            end = start + _HEADER.size + length
            if end > len(buffer):
                break
            said.append(Said(kind, lease, buffer[start + _HEADER.size : end]))
            start = end
        self._buffer = buffer[start:]
        return said
