"""What one turn of the loop has to send, kept back until its changes are in the journal."""

from __future__ import annotations

from msgspec import Struct

from supervisor.broker.connection import Connection
from supervisor.wire.channel import Message


class _Parked:
    """The reply is sent later."""


PARKED = _Parked()


class Turn(Struct, eq=False):
    """Replies to clients and words to the master; nobody hears any of it before the commit."""

    replies: list[tuple[Connection, bytes]] = []
    words: list[Message] = []
    late: list[int] = []
    """The leases of attempts that ended: their output is final."""
