"""What a task says while it runs: frames in a pipe that outlives its worker.

Each frame fits in one atomic write (PIPE_BUF), so processes that a task forks can talk through the same pipe.
"""

from __future__ import annotations

import select
import struct
from enum import IntEnum

import msgspec
from msgspec import Raw, Struct

from supervisor.wire.messages import ProgressData

_HEADER = struct.Struct("!HBq")
_PART = struct.Struct("!Q?")
_MOST = select.PIPE_BUF - _HEADER.size


class Kind(IntEnum):
    """What a frame holds."""

    OUTPUT = 1
    """Text that the task printed."""
    PROGRESS = 2
    """A :class:`~supervisor.wire.messages.ProgressData`."""
    ERRORS = 11
    """Text that the task printed to stderr."""
    RAW = 12
    """Text that was written past Python, and taken out of the raw pipe by the worker."""
    RECORD = 13
    """A :class:`LogRecord`."""
    RECORD_PART = 14
    """Part of one that does not fit."""


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
        body = _encode(ProgressData(progress.done, progress.total, progress.message[:500]))
    return _HEADER.pack(len(body), Kind.PROGRESS, lease) + body


def record_frames(lease: int, record: LogRecord, number: int) -> list[bytes]:
    """The writes that carry a log record: one, as a rule. Else ``number`` names it, whoever writes in between."""
    body = _encode(record)
    if len(body) <= _MOST:
        return [_HEADER.pack(len(body), Kind.RECORD, lease) + body]
    room = _MOST - _PART.size
    made: list[bytes] = []
    for start in range(0, len(body), room):
        piece = _PART.pack(number, start + room >= len(body)) + body[start : start + room]
        made.append(_HEADER.pack(len(piece), Kind.RECORD_PART, lease) + piece)
    return made


def read_part(data: bytes) -> tuple[int, bool, bytes]:
    """The number of the record that a part belongs to, whether it is its last, and what is in it."""
    number, last = _PART.unpack_from(data)
    return number, last, data[_PART.size :]


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
