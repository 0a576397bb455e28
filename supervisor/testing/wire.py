"""Both ends of a connection that stays in this process: every message is encoded as it would be for the socket."""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from supervisor.broker.connection import Connection as BrokersEnd
from supervisor.client.calls import Call
from supervisor.wire.codec import ERROR, HEADER, decode_plain, decode_reply, encode
from supervisor.wire.connection import Connection as WorkersEnd
from supervisor.wire.remote import rebuild

if TYPE_CHECKING:
    from supervisor.testing.broker import InProcessBroker

T = TypeVar("T")


class NothingDue(BaseException):
    """A worker has asked for a task, and there is none now."""


class Inbox(BrokersEnd):
    """The broker's end. What is sent stays here until it is read."""

    __slots__ = ("received",)

    def __init__(self) -> None:  # without a socket
        self.fd = -1
        self.mask = select.EPOLLIN
        self.opened_at = 0.0
        self.trusted = True
        self.closed = False
        self.worker = None
        self.out = bytearray()
        self.received: list[bytes] = []

    def send(self, data: bytes, on_blocked: Callable[[BrokersEnd], None]) -> None:
        if not self.closed:
            self.received.append(data)

    def peer(self) -> tuple[int, int]:
        return os.getpid(), os.getuid()

    def take(self) -> bytes:
        """The next message."""
        return self.received.pop(0)[HEADER.size :]

    def close(self) -> None:
        self.closed = True


class NearEnd(WorkersEnd):
    """A worker's end. Nothing is waited for: what is not there at once does not come by itself."""

    def __init__(self, broker: InProcessBroker) -> None:  # without a socket
        self.timeout = None
        self._broker = broker
        self._inbox = Inbox()

    def send_body(self, body: bytes) -> None:
        self._broker.request(self._inbox, body)

    def receive_body(self) -> bytes:
        if not self._inbox.received:
            raise NothingDue
        return self._inbox.take()

    def ready(self, wait: float) -> bool:
        return bool(self._inbox.received)

    def close(self) -> None:
        self._broker.hang_up(self._inbox)


def ask(broker: InProcessBroker, call: Call[T]) -> T:
    """Make a call that is answered at once; its value, or the error that it is answered with."""
    inbox = Inbox()
    broker.request(inbox, encode((0, call.method, call.arguments(call.timeout, False))))
    return read(inbox, call)


def read(inbox: Inbox, call: Call[T]) -> T:
    """The value of a call that was answered, or the error."""
    reply = decode_reply(inbox.take())
    if reply.kind == ERROR:
        raise rebuild(decode_plain(reply.value))
    return call.decode(reply.value)
