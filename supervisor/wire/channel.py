"""The private line between the master and its children: whole messages, with descriptors where needed.

A ``SOCK_SEQPACKET`` socket pair keeps messages apart, so nothing has to be framed, and it is not named anywhere, so
nobody else can reach it.
"""

from __future__ import annotations

import socket
from typing import Any

import msgspec
from msgspec import Struct

LONGEST = 200_000
MOST_DESCRIPTORS = 4


class Alive(Struct, frozen=True, array_like=True):
    """A worker that lives, by the master's word and the scoreboard's."""

    worker: int
    slot: int
    pid: int
    generation: int
    lease: int
    """The lease it started last."""


class Roster(Struct, frozen=True, array_like=True, tag="roster"):
    """Master → broker, first of all: who lives. The broker hands nothing out before it."""

    alive: list[Alive]


class Opened(Struct, frozen=True, array_like=True, tag="opened"):
    """Master → broker: the reading ends of a worker's two output pipes come with this message."""

    worker: int
    slot: int


class Fence(Struct, frozen=True, array_like=True, tag="fence"):
    """Master → broker: no answer for this lease may count any more. Answered by :class:`Fenced`."""

    lease: int
    cause: str


class Fenced(Struct, frozen=True, array_like=True, tag="fenced"):
    """Broker → master: whether the lease was still open, so that its worker is to be killed."""

    lease: int
    kill: bool


class Spared(Struct, frozen=True, array_like=True, tag="spared"):
    """Master → broker: the kill was called off, since the worker had gone on: answers for this lease count again."""

    lease: int


class Gone(Struct, frozen=True, array_like=True, tag="gone"):
    """Master → broker, repeated until :class:`Buried` answers: a worker's process has ended."""

    worker: int
    lease: int
    """The lease it started last."""
    cause: str
    message: str
    stack: str | None = None


class Buried(Struct, frozen=True, array_like=True, tag="buried"):
    """Broker → master: the death is in the journal."""

    worker: int


class Promote(Struct, frozen=True, array_like=True, tag="promote"):
    """Master → broker: the workers that live serve as this generation (newer code cannot be imported)."""

    generation: int


class Drain(Struct, frozen=True, array_like=True, tag="drain"):
    """Master → broker: hand nothing out any more (or again)."""

    on: bool = True


class Stop(Struct, frozen=True, array_like=True, tag="stop"):
    """Master → broker or template: close and leave."""


class CancelRunning(Struct, frozen=True, array_like=True, tag="cancel"):
    """Broker → master: a caller wants this lease of this worker ended."""

    worker: int
    slot: int
    lease: int


class StopRunning(Struct, frozen=True, array_like=True, tag="stop_running"):
    """Broker → master: the queue is drained, and the time is over: stop what this worker does, uncounted."""

    worker: int


class Configure(Struct, frozen=True, array_like=True, tag="configure"):
    """Broker → master: what is in force in the place of settings, by name, as plain data."""

    values: dict[str, Any]


class ForkWorker(Struct, frozen=True, array_like=True, tag="fork"):
    """Master → template: fork a worker. Comes with descriptors: talk pipe, output pipe, stack file."""

    worker: int
    slot: int
    seat: int
    """Its place among the workers, which decides its CPU."""
    generation: int
    max_tasks: int = 0
    """Tasks after which it asks for no more; 0 for never."""
    spare: bool = False
    """It gets ready and then waits, on a fourth descriptor, for the seat that it is to take."""


class Forked(Struct, frozen=True, array_like=True, tag="forked"):
    """Template → master: the worker's pid."""

    worker: int
    pid: int


class Unforked(Struct, frozen=True, array_like=True, tag="unforked"):
    """Template → master: what was to fork this worker died at it. If its pid was told all the same, it lives."""

    worker: int


class Imported(Struct, frozen=True, array_like=True, tag="imported"):
    """Template → master: the application is imported, and whether forking from it is safe.

    A file comes along, with what it declares (see :mod:`supervisor.wire.declared`); a bare one's means nothing.
    """

    seconds: float
    obstacles: list[str]
    """Why workers have to import for themselves, in words; empty when they need not."""
    sources: dict[str, float] = {}
    """The files of the modules that were imported, and when they were modified, for ``reload``."""


class Registered(Struct, frozen=True, array_like=True, tag="registered"):
    """Master → broker: what the code of this generation declares is in the file that comes along."""

    generation: int


class ImportFailed(Struct, frozen=True, array_like=True, tag="import_failed"):
    """Template → master: the application cannot be imported; the template leaves."""

    reason: str


Message = (
    Roster | Opened | Fence | Fenced | Spared | Gone | Buried | Promote | Drain | Stop | CancelRunning
    | ForkWorker | Forked | Unforked | Imported | ImportFailed | Registered | StopRunning | Configure
)  # fmt: skip

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode


class Channel:
    """One end of the line. Sending never blocks for long: the other end reads all the time or is dead."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Two ends."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), cls(theirs)

    @classmethod
    def inherited(cls, descriptor: int) -> Channel:
        """The end behind a descriptor that was handed down."""
        return cls(socket.socket(fileno=descriptor))

    def fileno(self) -> int:
        """For selectors."""
        return self.socket.fileno()

    def send(self, message: Message, descriptors: list[int] | None = None) -> bool:
        """Send a message; False when nobody is at the other end, or it has stopped reading."""
        try:
            if descriptors:
                socket.send_fds(self.socket, [_encode(message)], descriptors)
            else:
                self.socket.send(_encode(message))
        except (BrokenPipeError, ConnectionResetError, BlockingIOError, TimeoutError):
            return False
        return True

    def receive(self) -> tuple[Message | None, list[int]]:
        """The next message with its descriptors; None when the other end is gone. BlockingIOError if none is there."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self.socket, LONGEST, MOST_DESCRIPTORS)
        except ConnectionResetError:
            return None, []
        return (_decode(data) if data else None), descriptors

    def drain(self) -> list[tuple[Message | None, list[int]]]:
        """Every message that is there now (a non-blocking end); ends with None when the other end is gone."""
        found: list[tuple[Message | None, list[int]]] = []
        while not found or found[-1][0] is not None:
            try:
                found.append(self.receive())
            except BlockingIOError:
                break
        return found

    def close(self) -> None:
        """Hang up."""
        self.socket.close()
