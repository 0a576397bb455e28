"""A relay before a supervisor's socket, which can lose answers and hang up: what a client meets at a bad moment."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from supervisor.directory import Directory

HANDSHAKE_BYTES = 4 + 32
"""What the server sends before its first answer is 32 bytes and this."""


class Relay:
    """Stands in a directory of its own, with the key of the supervisor's. Forwards both ways, until told otherwise."""

    def __init__(self, folder: Path, behind: Path) -> None:
        self.directory = Directory(folder)
        self._behind = Directory(behind)
        self.directory.path.mkdir(mode=0o700)
        shutil.copy(self._behind.key, self.directory.key)
        os.symlink(self._behind.payloads, self.directory.payloads)
        self.lose_answers = 0
        """So many connections are hung up on when the first answer after the handshake is ready."""
        self.lost = 0
        self.connections = 0
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.directory.socket))
        self._listener.listen(64)
        self._open: list[socket.socket] = [self._listener]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            server.connect(str(self._behind.socket))
            self.connections += 1
            losing, self.lose_answers = self.lose_answers > 0, max(0, self.lose_answers - 1)
            self._open += [client, server]
            for way in (self._up, self._down):
                thread = threading.Thread(target=way, args=(client, server, losing))
                self._threads.append(thread)
                thread.start()

    def _up(self, client: socket.socket, server: socket.socket, losing: bool) -> None:
        self._pump(client, server, None)

    def _down(self, client: socket.socket, server: socket.socket, losing: bool) -> None:
        self._pump(server, client, 32 + HANDSHAKE_BYTES if losing else None)

    def _pump(self, source: socket.socket, target: socket.socket, most: int | None) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if most is not None and passed + len(data) > most:
                    self.lost += 1
                    break
                passed += len(data)
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def hang_up(self) -> None:
        """End every connection that there is now."""
        for end in self._open[1:]:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self.hang_up()
        for thread in self._threads:
            thread.join(10.0)
        for end in self._open:
            end.close()


@contextlib.contextmanager
def relay(folder: Path, behind: Path) -> Iterator[Relay]:
    """A relay for as long as the block runs."""
    made = Relay(folder, behind)
    try:
        yield made
    finally:
        made.close()
