"""The master's control socket: what the owner and the command line ask of the tree.

One request, one answer, whole messages (SOCK_SEQPACKET). Only our own user and root are heard.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress

import msgspec

from supervisor.broker.connection import may_connect, peer_uid
from supervisor.directory import Directory
from supervisor.errors import QueueUnavailableError
from supervisor.wire.address import short_path
from supervisor.wire.codec import MALFORMED

Answer = dict[str, object]
_LONGEST = 200_000


class ControlServer:
    """Listens in the directory; ``answer`` carries a request out."""

    def __init__(self, directory: Directory, answer: Callable[[str, Answer], Answer]) -> None:
        self._path = directory.control
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with suppress(FileNotFoundError):
            os.unlink(self._path)
        with short_path(self._path) as path:
            self._listener.bind(path)
        os.chmod(self._path, 0o600)
        self._listener.listen(16)
        self._listener.setblocking(False)
        self._callers: dict[int, socket.socket] = {}

    def fileno(self) -> int:
        """For selectors."""
        return self._listener.fileno()

    def descriptors(self) -> list[int]:
        """Callers that have connected and may speak."""
        return list(self._callers)

    def serve(self, ready: set[int]) -> None:
        """Take callers in, and answer those that have spoken."""
        if self._listener.fileno() in ready:
            self._accept()
        for descriptor in ready & self._callers.keys():
            self._serve(self._callers.pop(descriptor))

    def _accept(self) -> None:
        try:
            caller, _ = self._listener.accept()
        except OSError:
            return
        if not may_connect(peer_uid(caller)):
            caller.close()
            return
        caller.setblocking(False)
        self._callers[caller.fileno()] = caller

    def _serve(self, caller: socket.socket) -> None:
        """Answer one caller, and hang up."""
        with caller, suppress(OSError):
            request = caller.recv(_LONGEST)
            if not request:
                return
            try:
                name, arguments = msgspec.msgpack.decode(request, type=tuple[str, Answer])
                answer = self._answer(name, arguments)
            except MALFORMED as error:
                answer = {"error": f"no request: {error}"}
            caller.send(msgspec.msgpack.encode(answer))

    def close(self) -> None:
        """End, and take the socket's file away."""
        self._listener.close()
        for caller in self._callers.values():
            caller.close()
        with suppress(FileNotFoundError):
            os.unlink(self._path)


def ask(directory: Directory, name: str, arguments: Answer | None = None, timeout: float = 5.0) -> Answer:
    """Ask the master something; QueueUnavailableError when none answers within ``timeout`` seconds."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as caller:
        caller.settimeout(timeout)
        try:
            with short_path(directory.control) as path:
                caller.connect(path)
            caller.send(msgspec.msgpack.encode((name, arguments or {})))
            data = caller.recv(_LONGEST)
        except TimeoutError:
            raise QueueUnavailableError(str(directory), f"its master did not answer within {timeout:g} s") from None
        except OSError as error:
            raise QueueUnavailableError(str(directory), f"no master runs there ({error.strerror})") from None
    if not data:
        raise QueueUnavailableError(str(directory), "its master hung up")
    found: Answer = msgspec.msgpack.decode(data, type=dict[str, object])
    return found
