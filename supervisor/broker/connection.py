"""One connection to the broker: handshake, incoming frames, outgoing bytes. Never blocks."""

from __future__ import annotations

import os
import select
import socket
import struct
from collections.abc import Callable

from supervisor.core.entry import Worker
from supervisor.wire import handshake
from supervisor.wire.codec import FrameBuffer

_UCRED = struct.Struct("3i")
_READ = 64 * 1024  # over 128 KiB each may be a mapping of its own, made and given back: 11 µs, alone
_HANDSHAKE_LIMIT = 1024


def peer_uid(connected: socket.socket) -> int:
    """The user at the other end, by the kernel's word."""
    return peer(connected)[1]


def peer(connected: socket.socket) -> tuple[int, int]:
    """The process at the other end, as it connected, and its user."""
    pid, uid, _ = _UCRED.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return int(pid), int(uid)


def may_connect(uid: int) -> bool:
    """Only our own user and root, whatever the permissions of the directory have become."""
    return uid in (os.geteuid(), 0)


class Connection:
    """A client's or a worker's connection as the loop sees it."""

    __slots__ = (
        "_frames",
        "_key",
        "_limit",
        "_nonce",
        "closed",
        "fd",
        "mask",
        "opened_at",
        "out",
        "socket",
        "trusted",
        "worker",
    )

    def __init__(self, connected: socket.socket, key: bytes, limit: int, now: float) -> None:
        self.socket = connected
        self.fd = connected.fileno()
        self.mask = select.EPOLLIN
        """What the loop listens for."""
        self.opened_at = now
        self.trusted = False
        self.closed = False
        self.worker: Worker | None = None
        self.out = bytearray()
        self._key = key
        self._limit = limit
        self._nonce = handshake.new_nonce()
        self._frames = FrameBuffer(_HANDSHAKE_LIMIT)  # until it has proved the key, it may not make us buffer much

    def peer(self) -> tuple[int, int]:
        """The process and the user at the other end, by the kernel's word."""
        return peer(self.socket)

    def greet(self) -> bytes:
        """The first thing to send."""
        return self._nonce

    def read(self) -> list[bytes] | None:
        """The frames that have arrived, None at the end.

        Raises ConnectionError, MessageTooLargeError, and PermissionError for a wrong key.
        """
        try:
            data = self.socket.recv(_READ)
        except (BlockingIOError, InterruptedError):
            return []
        if not data:
            return None
        bodies = self._frames.feed(data)
        while not self.trusted and bodies:
            self._prove(bodies.pop(0))
        return bodies

    def _prove(self, message: bytes) -> None:
        proof = handshake.accept(self._key, self._nonce, message)
        if proof is None or not may_connect(peer_uid(self.socket)):
            raise PermissionError("it has the wrong key, or runs as another user")
        self.trusted = True
        self._frames = FrameBuffer(self._limit)
        self.out += len(proof).to_bytes(4, "big") + proof

    def send(self, data: bytes, on_blocked: Callable[[Connection], None]) -> None:
        """Send now what fits, keep the rest and say so."""
        if self.closed:
            return
        if self.out:
            self.out += data
        else:
            try:
                sent = self.socket.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                return  # its end is seen, and handled, by the next read
            if sent == len(data):
                return
            self.out += data[sent:]
        on_blocked(self)

    def flush(self) -> bool:
        """Send more of what was kept; True when all of it is gone."""
        try:
            sent = self.socket.send(self.out)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            self.out.clear()
            return True
        del self.out[:sent]
        return not self.out

    def close(self) -> None:
        """Hang up."""
        self.closed = True
        self.socket.close()
