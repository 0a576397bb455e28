"""The broker's own loop in this process, a turn at a time, and whoever talks to it over a real socket.

Imported by :mod:`scripts.breaking.fuzz` once atheris watches what is imported.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from supervisor.broker.__main__ import open_service
from supervisor.broker.line import MasterLine
from supervisor.broker.server import Server
from supervisor.ids import new_id
from supervisor.journal.journal import Durability, Journal
from supervisor.scoreboard import Header, Scoreboard
from supervisor.settings import Settings
from supervisor.wire import handshake
from supervisor.wire.channel import Channel, Roster
from supervisor.wire.codec import HEADER, encode
from supervisor.wire.messages import Hello, Submission

_PROVES = 1
_PIECE = struct.Struct("<BH")
_FRAMED = 1
_LIMIT = 1 << 20
_ANEW = 5_000
"""After so many inputs the broker is begun anew, lest it drowns in what was submitted."""


class Target:
    """A broker's loop, a turn at a time, and whoever talks to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._key = b"k" * 32
        self._begin()

    def _begin(self) -> None:
        self._stack = contextlib.ExitStack()
        board = self._stack.enter_context(_board())
        board.put(Header.GENERATION, 1)
        journal = Journal(Path("nowhere"), Durability.OFF)
        self._stack.callback(journal.close)
        self._service = open_service(journal, Settings(dir=self._folder, queue_limit=1000), board)
        ours, theirs = Channel.pair()
        wake, bell = (os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK) for _ in range(2))
        for descriptor in (wake, bell):
            self._stack.callback(os.close, descriptor)
        for end in (ours, theirs):
            self._stack.callback(end.close)
        self._place = self._folder / "queue.sock"
        self._place.unlink(missing_ok=True)
        listener = self._stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        listener.bind(str(self._place))
        listener.listen(16)
        listener.setblocking(False)
        self._server = Server(listener, MasterLine(theirs, wake), self._service, self._key, _LIMIT, bell)
        self._stack.callback(self._server._epoll.close)
        self._server._epoll.register(listener.fileno(), 1)
        self._server._epoll.register(theirs.fileno(), 1)
        ours.send(Roster([]))
        self._master = ours
        self._turn()

    def seeds(self) -> Iterator[bytes]:
        """An input for each method, so that the way to it need not be found."""
        known: dict[str, tuple[object, ...]] = {
            "submit": (Submission(new_id(), "task", b"x"),),
            "submit_many": ([Submission(new_id(), "task", b"x")],),
            "hello": (Hello(1, 1, 1, 1),),
            "next": ([], 1),
            "configure": ({"timeout": 5.0}, []),
        }
        for name in self._service.calls:
            body = encode((1, name, known.get(name, (new_id(), 1.0))))
            yield bytes([_PROVES]) + _PIECE.pack(_FRAMED, len(body)) + body

    def _turn(self) -> None:
        self._server.turn(self._server._epoll.poll(0, 64))
        self._master.socket.setblocking(False)
        self._master.drain()

    def take(self, data: bytes) -> None:
        """One input."""
        self._count += 1
        if self._count % _ANEW == 0:
            self._stack.close()
            self._begin()
        with self._connect(proves=bool(data and data[0] & _PROVES)) as connected:
            for piece in _pieces(data[1:]):
                with contextlib.suppress(OSError):
                    connected.send(piece)
                self._turn()
        self._turn()
        if self._count % 100 == 0:
            self._mean_well()

    @contextlib.contextmanager
    def _connect(self, *, proves: bool) -> Iterator[socket.socket]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connected:
            connected.connect(str(self._place))
            connected.setblocking(False)
            self._turn()
            if proves:
                answer = handshake.answer(self._key, connected.recv(handshake.NONCE), handshake.new_nonce())
                connected.send(HEADER.pack(len(answer)) + answer)
                self._turn()
                self._turn()  # its own proof is sent when the socket is ready for it
            yield connected

    def _mean_well(self) -> None:
        with self._connect(proves=True) as connected:
            connected.recv(_LIMIT)
            body = encode((7, "dummy", ()))
            connected.send(len(body).to_bytes(4, "big") + body)
            self._turn()
            if b"#RETURN" not in connected.recv(_LIMIT):
                raise AssertionError("whoever means well is not answered")


@contextlib.contextmanager
def _board() -> Iterator[Scoreboard]:
    board = Scoreboard.create()
    yield board
    os.close(board.descriptor)


def _pieces(data: bytes) -> Iterator[bytes]:
    place = 0
    while place + _PIECE.size <= len(data):
        kind, length = _PIECE.unpack_from(data, place)
        place += _PIECE.size
        body = data[place : place + length]
        place += length
        yield len(body).to_bytes(4, "big") + body if kind & _FRAMED else body
