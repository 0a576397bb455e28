"""``scripts/fuzz --minutes N``: the broker's own loop in this process, fed by atheris over a real socket.

An input is read as a byte of flags and pieces of what a connection says. The broker must live through each of them,
hang up or go on, and answer somebody who means well; libFuzzer watches the memory.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import socket
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PROVES = 1
_PIECE = struct.Struct("<BH")
_FRAMED = 1
_LIMIT = 1 << 20
_ANEW = 5_000
"""After so many inputs the broker is begun anew, lest it drowns in what was submitted."""
_MEMORY_MB = 1024


class Target:
    """A broker's loop, a turn at a time, and whoever talks to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._key = b"k" * 32
        self._begin()

    def _begin(self) -> None:
        from supervisor.broker.__main__ import open_service  # noqa: PLC0415  instrumented, so imported after atheris
        from supervisor.broker.line import MasterLine  # noqa: PLC0415
        from supervisor.broker.server import Server  # noqa: PLC0415
        from supervisor.journal.journal import Durability, Journal  # noqa: PLC0415
        from supervisor.scoreboard import Header, Scoreboard  # noqa: PLC0415
        from supervisor.settings import Settings  # noqa: PLC0415
        from supervisor.wire.channel import Channel, Roster  # noqa: PLC0415

        self._stack = contextlib.ExitStack()
        board = self._stack.enter_context(_board(Scoreboard.create()))
        board.put(Header.GENERATION, 1)
        journal = Journal(Path("nowhere"), Durability.OFF)
        self._stack.callback(journal.close)
        service = open_service(journal, Settings(dir=self._folder, queue_limit=1000), board)
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
        self._server: Any = Server(listener, MasterLine(theirs, wake), service, self._key, _LIMIT, bell)
        self._stack.callback(self._server._epoll.close)
        self._server._epoll.register(listener.fileno(), 1)
        self._server._epoll.register(theirs.fileno(), 1)
        ours.send(Roster([]))
        self._master = ours
        self._turn()

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
        from supervisor.wire import handshake  # noqa: PLC0415
        from supervisor.wire.codec import HEADER  # noqa: PLC0415

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
        from supervisor.wire.codec import encode  # noqa: PLC0415

        with self._connect(proves=True) as connected:
            connected.recv(_LIMIT)
            body = encode((7, "dummy", ()))
            connected.send(len(body).to_bytes(4, "big") + body)
            self._turn()
            if b"#RETURN" not in connected.recv(_LIMIT):
                raise AssertionError("whoever means well is not answered")


@contextlib.contextmanager
def _board(board: Any) -> Iterator[Any]:
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


def _seeds(folder: Path) -> None:
    """An input for each method, so that the way to it need not be found."""
    from supervisor.broker.service import Service  # noqa: PLC0415
    from supervisor.ids import new_id  # noqa: PLC0415
    from supervisor.wire.codec import encode  # noqa: PLC0415
    from supervisor.wire.messages import Hello, Submission  # noqa: PLC0415

    known: dict[str, tuple[object, ...]] = {
        "submit": (Submission(new_id(), "task", b"x"),),
        "submit_many": ([Submission(new_id(), "task", b"x")],),
        "hello": (Hello(1, 1, 1, 1),),
        "next": ([], 1),
        "configure": ({"timeout": 5.0}, []),
    }
    names = [name for name in Service._methods.__code__.co_consts if isinstance(name, str) and name.isidentifier()]
    keys = {name for names_ in Service._methods.__code__.co_consts if isinstance(names_, tuple) for name in names_}
    for name in {*names, *(key for key in keys if isinstance(key, str)), *known}:
        body = encode((1, name, known.get(name, (new_id(), 1.0))))
        (folder / f"seed-{name}").write_bytes(bytes([_PROVES]) + _PIECE.pack(_FRAMED, len(body)) + body)


def main() -> None:
    """Until the time is over; atheris ends the process, with another code than 0 where something was found."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (default 5)")
    parser.add_argument("--corpus", type=Path, default=None, help="a folder to begin with, and to keep (default: none)")
    chosen = parser.parse_args()
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["supervisor"]):
        importlib.import_module("supervisor.broker.__main__")
    from supervisor.log import log  # noqa: PLC0415

    log.setLevel("CRITICAL")  # it would tell of each refusal
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        corpus = chosen.corpus or Path(folder) / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        _seeds(corpus)
        target = Target(Path(folder))
        atheris.Setup(
            [
                sys.argv[0],
                str(corpus),
                f"-max_total_time={chosen.minutes * 60:.0f}",
                "-max_len=4096",
                f"-rss_limit_mb={_MEMORY_MB}",
                f"-artifact_prefix={Path.cwd()}/fuzz-found-",
            ],
            target.take,
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
