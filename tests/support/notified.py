"""The other end of systemd's line: a socket of our own that hears what a service tells."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_UCRED = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class Word:
    """One datagram: its lines by name, and the process that sent it, as the kernel says."""

    fields: dict[str, str]
    pid: int


class Listener:
    """Hears everything, in order."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self.heard: list[Word] = []

    @property
    def address(self) -> str:
        """For ``NOTIFY_SOCKET``."""
        name = self._line.getsockname()
        return f"@{os.fsdecode(name[1:])}" if isinstance(name, bytes) else str(name)

    def hear(self, name: str, part: str = "", timeout: float = 30.0) -> Word:
        """The next word that has this name, and ``part`` in its value."""
        deadline = time.monotonic() + timeout
        while True:
            self._line.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data, ancillary, _, _ = self._line.recvmsg(4096, 256)
            except TimeoutError:
                told = "\n".join(str(word.fields) for word in self.heard[-20:])
                raise AssertionError(f"nobody said {name}={part}; what was said:\n{told}") from None
            pid, _, _ = _UCRED.unpack(ancillary[0][2][: _UCRED.size])
            word = Word(dict(line.split("=", 1) for line in data.decode().splitlines()), pid)
            self.heard.append(word)
            if part in word.fields.get(name, "\0" if part else "") and name in word.fields:
                return word

    def falls_silent(self, name: str, seconds: float) -> bool:
        """Whether nobody says this for so long; the words until then are taken off."""
        try:
            self.hear(name, timeout=seconds)
        except AssertionError:
            return True
        return False


@contextmanager
def listening(address: Path | str) -> Iterator[Listener]:
    """Listen at a path, or at ``@`` and an abstract name."""
    text = str(address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        line.bind(f"\0{text[1:]}" if text.startswith("@") else text)
        yield Listener(line)
