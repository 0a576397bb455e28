"""Workers that hold several short tasks, and are listened to only when they ring.

Each report leaves its worker before the next task starts, but nothing hangs on reading it at once: one look when
the last is done costs the broker a tenth of a look each. Should the bell not come soon, for one of the tasks is not
that short after all, the reports are read all the same, and what is not started goes to somebody else.
"""

from __future__ import annotations

import select
from dataclasses import dataclass

from supervisor.broker.connection import Connection

_LOOK_SECONDS = 0.005
_HELD_UP_SECONDS = 0.025


@dataclass(slots=True)
class _Batch:
    connection: Connection
    since: float
    look_at: float


class Batches:
    """Who is muted, and when to look after them."""

    def __init__(self, epoll: select.epoll) -> None:
        self._epoll = epoll
        self._muted: dict[int, _Batch] = {}

    def handed_out(self, connection: Connection, count: int, now: float) -> None:
        """A worker was given ``count`` tasks. It rings at their end if there are several, as it knows itself."""
        if count > 1:
            if connection.mask:
                self._set(connection, 0)
            self._muted[connection.fd] = _Batch(connection, now, now + _LOOK_SECONDS)
        elif not connection.mask:
            self._listen(connection)

    def _listen(self, connection: Connection) -> None:
        self._muted.pop(connection.fd, None)
        self._set(connection, select.EPOLLIN)

    def _set(self, connection: Connection, mask: int) -> None:
        connection.mask = mask
        self._epoll.modify(connection.fd, mask | (select.EPOLLOUT if connection.out else 0))

    def muted(self) -> list[Connection]:
        """Everybody who may have rung."""
        return [batch.connection for batch in self._muted.values()]

    def overdue(self, now: float) -> list[Connection]:
        """Whom to look after now."""
        if not self._muted:
            return []
        return [batch.connection for batch in self._muted.values() if now >= batch.look_at]

    def held_up(self, connection: Connection, now: float) -> bool:
        """Whether this worker has had its tasks for too long; then it is listened to again from now on."""
        batch = self._muted.get(connection.fd)
        if batch is None:
            return False
        if now - batch.since < _HELD_UP_SECONDS:
            batch.look_at = now + _LOOK_SECONDS
            return False
        self._listen(connection)
        return True

    def drop(self, connection: Connection) -> None:
        """It is gone."""
        self._muted.pop(connection.fd, None)

    def next_time(self) -> float | None:
        """When somebody is to be looked after."""
        return min(batch.look_at for batch in self._muted.values()) if self._muted else None
