"""What one turn of the loop has to send, kept back until its changes are in the journal."""

from __future__ import annotations

from dataclasses import dataclass, field

from supervisor.broker.connection import Connection
from supervisor.wire.channel import Message


class _Parked:
    """The reply is sent later."""


PARKED = _Parked()


@dataclass(slots=True)
class Turn:
    """Replies to clients and words to the master; nobody hears any of it before the commit."""

    replies: list[tuple[Connection, bytes]] = field(default_factory=list)
    words: list[Message] = field(default_factory=list)
    late: list[int] = field(default_factory=list)
    """The leases of attempts that ended: their output is final."""
