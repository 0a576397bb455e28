"""A blocking connection to the broker, for clients in threads and for workers.

It has the interface that ``multiprocessing.managers`` wants of a connection (``send``, ``recv``, ``close``), over
plain ``socket`` objects, which gevent can make cooperative: ``multiprocessing.connection`` reads with ``os.read``
and would block its hub. Every receive has a deadline.
"""

from __future__ import annotations

import os
import select
import socket
import time
import weakref
from multiprocessing import managers
from pathlib import Path
from types import TracebackType

from supervisor.errors import MessageTooLargeError
from supervisor.wire import handshake
from supervisor.wire.address import short_path
from supervisor.wire.codec import ERROR, HEADER, RETURN, Reply, decode_plain, decode_reply, encode, frame
from supervisor.wire.remote import rebuild

SERIALIZER = "supervisor"
LIMIT = 2**31 - 1
_READ = 64 * 1024
_CLOSE_ENOUGH = 0.02


class Connection:
    """A connection that has proved the key, both ways."""

    def __init__(self, connected: socket.socket, limit: int = LIMIT) -> None:
        self.socket = connected
        self.timeout: float | None = None
        """Seconds that the next receive may take; None for ever."""
        self._limit = limit
        self._ahead = b""
        # Nobody has to close a queue, so a connection that is dropped is no mistake to be warned of. Not __del__: of
        # things that are collected together, the socket may come first.
        weakref.finalize(self, connected.close).atexit = False
        self._set: float | None = None

    # -- the interface of multiprocessing ----------------------------------------------------------------------

    def send(self, message: object) -> None:
        """Send one message."""
        self.send_body(encode(message))

    def recv(self) -> tuple[str, object]:
        """The next reply as multiprocessing wants it: its kind, and its value or the exception to raise."""
        reply = decode_reply(self.receive_body())
        value = decode_plain(reply.value)
        return reply.kind, (value if reply.kind == RETURN else rebuild(value))

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- ours --------------------------------------------------------------------------------------------------

    def fileno(self) -> int:
        """For selectors."""
        return self.socket.fileno()

    def ready(self, wait: float) -> bool:
        """Whether something has arrived, or does within so many seconds."""
        return bool(self._ahead or select.select([self.socket], [], [], wait)[0])

    def send_body(self, body: bytes) -> None:
        """Send one encoded message. Raises TimeoutError, ConnectionError, MessageTooLargeError."""
        data = frame(body, self._limit)
        if self.timeout is not None and self._set is None:
            self._limit_time(self.timeout)
        try:
            # There is room, as a rule. A socket with a timeout asks whether there is first: a system call more.
            sent = os.write(self.socket.fileno(), data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self.socket.sendall(memoryview(data)[sent:])

    def receive_reply(self) -> Reply:
        """The next reply, its value still encoded; the error that it carries is raised."""
        return read_reply(self.receive_body())

    def receive_body(self) -> bytes:
        """The next message. Raises TimeoutError, ConnectionError, MessageTooLargeError."""
        deadline = None if self.timeout is None else time.monotonic() + self.timeout
        data = self._ahead
        while len(data) < HEADER.size:
            data += self._read(deadline, _READ)
        (length,) = HEADER.unpack_from(data)
        if length > self._limit:
            raise MessageTooLargeError(length, self._limit)
        end = HEADER.size + length
        if len(data) < end:
            parts = [data]
            missing = end - len(data)
            while missing > 0:
                part = self._read(deadline, max(_READ, missing))
                parts.append(part)
                missing -= len(part)
            data = b"".join(parts)
        self._ahead = data[end:]
        return data[HEADER.size : end]

    def _read(self, deadline: float | None, most: int) -> bytes:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the answer did not come in time")
            self._limit_time(left)
        data = self.socket.recv(min(most, 1 << 20))
        if not data:
            raise ConnectionResetError("the other side hung up")
        return data

    def wait_for_ever(self) -> None:
        """Give the next receive all the time it takes."""
        self.timeout = self._set = None
        self.socket.settimeout(None)

    def _limit_time(self, left: float) -> None:
        """Set the socket's timeout, a system call, unless the one that is set is about right."""
        if self._set is None or not left <= self._set < left + _CLOSE_ENOUGH:
            self._set = left + _CLOSE_ENOUGH / 2
            self.socket.settimeout(self._set)


def read_reply(body: bytes) -> Reply:
    """The reply in a message, its value still encoded; the error that it carries is raised."""
    reply = decode_reply(body)
    if reply.kind == ERROR:
        raise rebuild(decode_plain(reply.value))
    return reply


def connect(address: str | Path, authkey: bytes, timeout: float | None = 5.0, limit: int = LIMIT) -> Connection:
    """Connect and prove the key within ``timeout`` seconds; raises OSError, or PermissionError for a wrong key."""
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connected.settimeout(timeout)
        with short_path(Path(address)) as path:
            connected.connect(path)
        connection = Connection(connected, limit)
        connection.timeout = timeout
        prove(connection, authkey)
    except BaseException:
        connected.close()
        raise
    connection.wait_for_ever()
    return connection


def prove(connection: Connection, key: bytes) -> None:
    """Our half of the handshake. The server's first words are its bare nonce."""
    server_nonce = b""
    while len(server_nonce) < handshake.NONCE:
        part = connection.socket.recv(handshake.NONCE - len(server_nonce))
        if not part:
            raise ConnectionResetError("the other side hung up")
        server_nonce += part
    client_nonce = handshake.new_nonce()
    connection.send_body(handshake.answer(key, server_nonce, client_nonce))
    proof = connection.receive_body()
    if not proof:
        raise PermissionError("it refused our key or our user")
    if not handshake.verify(key, server_nonce, client_nonce, proof):
        raise PermissionError("it does not know the key itself")


class _Listener:
    """Managers ask for one; the broker's loop listens by itself."""

    def __init__(self, *arguments: object, **options: object) -> None:
        raise NotImplementedError("the broker listens by itself")


def _client(address: str, authkey: bytes) -> Connection:
    return connect(address, bytes(authkey))


def register() -> None:
    """Make the codec known to ``multiprocessing.managers`` under :data:`SERIALIZER`."""
    clients: dict[str, tuple[object, object]] = managers.listener_client  # type: ignore[attr-defined]
    clients.setdefault(SERIALIZER, (_Listener, _client))
