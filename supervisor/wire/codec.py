"""Frames and what is in them: a length, then msgpack, read into typed messages.

msgspec (MessagePack) instead of pickle: decoding can build nothing but plain data, and a message that does not fit
its type is refused with a sentence. Unpickling even global-free data was made to allocate 4 GiB.
"""

from __future__ import annotations

import struct

import msgspec

from supervisor.errors import MessageTooLargeError

HEADER = struct.Struct("!I")
NO_REPLY = -1
"""The ident of a request that wants no reply."""

MALFORMED = (msgspec.MsgspecError, ValueError, RecursionError)
"""What decoding raises. Beside msgspec's own: text that is no UTF-8, nesting without end."""

RETURN = "#RETURN"
ERROR = "#ERROR"


class Request(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A call: the shape of ``multiprocessing.managers``, with a number in the place of the object's name."""

    ident: int | None
    method: str
    args: msgspec.Raw = msgspec.Raw(b"\x90")
    kwds: msgspec.Raw = msgspec.Raw(b"\x80")


class Reply(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An answer: its kind, its value, and the number of the call it answers."""

    kind: str
    value: msgspec.Raw
    ident: int | None = None


_encoder = msgspec.msgpack.Encoder()
encode = _encoder.encode
decode_request = msgspec.msgpack.Decoder(Request).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode
decode_plain = msgspec.msgpack.Decoder().decode


def frame(body: bytes, limit: int) -> bytes:
    """``body`` with its length in front; MessageTooLargeError over ``limit`` bytes."""
    if len(body) > limit:
        raise MessageTooLargeError(len(body), limit)
    return HEADER.pack(len(body)) + body


def encode_reply(ident: int | None, kind: str, value: object) -> bytes:
    """A reply's frame. A stock manager client (ident None) expects a pair, ours the number as well."""
    body = encode((kind, value) if ident is None else (kind, value, ident))
    return HEADER.pack(len(body)) + body


class FrameBuffer:
    """Bytes as they arrive, frames as they are complete."""

    __slots__ = ("_buffer", "_limit")

    def __init__(self, limit: int) -> None:
        self._buffer = bytearray()
        self._limit = limit

    def __len__(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Add what was read; the bodies that are complete now. MessageTooLargeError for a length over the limit."""
        buffer = self._buffer
        if not buffer and 4 <= len(data) == 4 + HEADER.unpack_from(data)[0] <= 4 + self._limit:
            return [data[4:]]  # the common case: one whole frame, nothing to copy twice
        source: bytes | bytearray = data
        if buffer:
            buffer += data
            source = buffer
        bodies: list[bytes] = []
        start, size = 0, len(source)
        while size - start >= 4:
            (length,) = HEADER.unpack_from(source, start)
            if length > self._limit:
                raise MessageTooLargeError(length, self._limit)
            end = start + 4 + length
            if end > size:
                break
            bodies.append(bytes(source[start + 4 : end]))
            start = end
        if source is buffer:
            del buffer[:start]
        else:
            buffer += data[start:]
        return bodies
