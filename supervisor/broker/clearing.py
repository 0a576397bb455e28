"""Cancelling: one task, or all that waits, a slice a call, so that nobody else has to wait for it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from supervisor.broker.connection import Connection
from supervisor.core.blocks import last_of
from supervisor.core.book import Cancelled
from supervisor.core.entry import Entry, Lease
from supervisor.errors import UnknownTaskError
from supervisor.ids import to_text
from supervisor.scoreboard import Word
from supervisor.states import State
from supervisor.wire.channel import CancelRunning
from supervisor.wire.messages import Cleared, Span
from supervisor.wire.remote import RemoteError

if TYPE_CHECKING:
    from supervisor.broker.service import Service


class Clearing:
    """A part of the service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def clear(self, connection: Connection, ident: int | None, span: Span, name: str, queue: str) -> object:
        """Cancel what waits in the first block of a span that holds unfinished tasks, in the order of their arrival.
        Without a span, of all that have come so far, so that a flood of new ones does not keep it from coming to an
        end.
        """
        book = self._service.book
        after, last = span if span is not None else (0, book.agenda.last_seq)
        block = book.agenda.blocks.first(after, last)
        if block is None:
            return Cleared(0, None)
        count = 0
        for task_id in self._service.journal.unfinished_in(block):
            entry = book.agenda.tasks.get(task_id)
            if entry is not None and after < entry.seq <= last and _is_meant(entry, name, queue):
                book.cancel(task_id, self._service.now)
                count += 1
        end = last_of(block)
        return Cleared(count, (end, last) if end < last else None)

    def cancel(self, connection: Connection, ident: int | None, task_id: bytes) -> object:
        """Stop a task, wherever it is; whether there was anything to stop."""
        found, lease = self._service.book.cancel(task_id, self._service.now)
        if found is Cancelled.UNKNOWN:
            if self._service.journal.state_of(task_id) is None:
                raise RemoteError(UnknownTaskError, to_text(task_id))
            return False
        if lease is not None:
            self.ask_to_end(lease)
        return True

    def ask_to_end(self, lease: Lease) -> None:
        """Have the master see to the end of a task that runs."""
        worker = self._service.book.workers[lease.worker]
        self._service.board.slots[worker.slot].put(Word.CANCEL_LEASE, lease.number)
        self._service.turn.words.append(CancelRunning(worker.number, worker.slot, lease.number))


def _is_meant(entry: Entry, name: str, queue: str) -> bool:
    kind = entry.kind
    if entry.state is State.RUNNING or kind.internal:
        return False
    return (not queue or kind.queue == queue) and (not name or fnmatchcase(kind.name, name))
