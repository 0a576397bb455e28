"""PNG files, from the format's own parts: a signature, and chunks with a length, a name and a checksum."""

import struct
import zlib
from collections.abc import Iterable
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def write(file: BinaryIO, width: int, height: int, rows: Iterable[bytes]) -> None:
    """Write a picture from rows of red, green and blue bytes; only the row at hand is held in memory."""
    file.write(SIGNATURE)
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    packer = zlib.compressobj(6)
    for row in rows:
        # Each row begins with the number of its filter: 1 keeps the difference to the pixel on the left.
        _chunk(file, b"IDAT", packer.compress(b"\x01" + _differences(row)))
    _chunk(file, b"IDAT", packer.flush())
    _chunk(file, b"IEND", b"", always=True)


def _differences(row: bytes) -> bytes:
    left = bytes(3) + row
    return bytes((value - before) & 255 for value, before in zip(row, left, strict=False))


def _chunk(file: BinaryIO, name: bytes, data: bytes, *, always: bool = False) -> None:
    if data or always:
        file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))
