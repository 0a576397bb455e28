"""The calls of those who read what tasks say: answered from the journal, kept back while there is nothing new.

A reader asks for the next slice when it has read the one before. So however slow it is, nothing piles up here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from supervisor.broker.connection import Connection
from supervisor.broker.turn import PARKED
from supervisor.broker.waiters import Waiter, Waiters
from supervisor.errors import UnknownTaskError
from supervisor.ids import to_text
from supervisor.wire.codec import RETURN, encode_reply
from supervisor.wire.remote import RemoteError
from supervisor.wire.talks import ItemSlice, Place, SaidSlice, Seen

if TYPE_CHECKING:
    from supervisor.broker.service import Service

_MOST_WAIT = 3600.0
Answer = SaidSlice | ItemSlice
Send = Callable[[Connection, bytes], None]


@dataclass(slots=True, eq=False, kw_only=True)
class _Listener(Waiter):
    """A call that waits for something new."""

    ask: Callable[[bool], Answer | None]
    """What there is; None for nothing new, unless an answer is wanted anyhow."""


class Listening:
    """A part of the service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.parked: Waiters[_Listener] = Waiters()
        """The calls that wait."""

    # -- calls -------------------------------------------------------------------------------------------------

    def said(self, connection: Connection, ident: int | None, task_id: bytes, place: Place, wait: float) -> object:
        """What a task has said behind a place; waits so many seconds for something."""
        seq = self._seq(task_id)

        def ask(anyhow: bool) -> SaidSlice | None:
            pieces, more = self._service.journal.talks.said(seq, place)
            ended = not more and self._over(task_id)
            return SaidSlice(pieces, ended) if pieces or ended or anyhow else None

        return self._answer(_Listener(connection, ident, task_id, False, self._until(wait), ask=ask))

    def items(self, connection: Connection, ident: int | None, task_id: bytes, seen: Seen, wait: float) -> object:
        """The next items of a task's stream; waits so many seconds for one, or for another attempt to begin it anew."""
        seq = self._seq(task_id)

        def ask(anyhow: bool) -> ItemSlice | None:
            found, more = self._service.journal.talks.items(seq, seen)
            ended = not more and self._over(task_id)
            news = found.items or ended or (seen.lease and found.lease != seen.lease)
            return ItemSlice(found.lease, found.items, ended) if news or anyhow else None

        return self._answer(_Listener(connection, ident, task_id, False, self._until(wait), ask=ask))

    def _until(self, wait: float) -> float:
        return self._service.now.mono + min(max(wait, 0.0), _MOST_WAIT)

    def _seq(self, task_id: bytes) -> int:
        agenda = self._service.book.agenda
        entry = agenda.tasks.get(task_id) or agenda.changes.ended.get(task_id)
        if entry is not None:
            return entry.seq
        found = self._service.journal.state_of(task_id)
        if found is None:
            raise RemoteError(UnknownTaskError, to_text(task_id))
        return found[0]

    def _over(self, task_id: bytes) -> bool:
        """Whether the task has ended, and the journal says so."""
        agenda = self._service.book.agenda
        return task_id not in agenda.tasks and task_id not in agenda.changes.ended

    def _answer(self, listener: _Listener) -> object:
        found = listener.ask(listener.until <= self._service.now.mono)
        if found is not None:
            return found
        self.parked.add(listener)
        return PARKED

    # -- waking ------------------------------------------------------------------------------------------------

    def wake(self, task_ids: Iterable[bytes], send: Send) -> None:
        """There is something new of these tasks, and it is committed."""
        for task_id in task_ids:
            for listener in self.parked.ended(task_id):
                found = listener.ask(False)
                if found is None:
                    self.parked.add(replace(listener, done=False))
                else:
                    send(listener.connection, encode_reply(listener.ident, RETURN, found))

    def expire(self, now: float, send: Send) -> None:
        """Answer those whose time is up."""
        for listener in self.parked.expired(now):
            send(listener.connection, encode_reply(listener.ident, RETURN, listener.ask(True)))

    def drop(self, connection: Connection) -> None:
        """The connection is gone, and its calls with it."""
        self.parked.drop(connection)

    def next_time(self) -> float | None:
        """When :meth:`expire` will find somebody."""
        return self.parked.next_time()
