"""The calls that ask what became of a task, and wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from supervisor.broker.connection import Connection
from supervisor.broker.turn import PARKED
from supervisor.broker.waiters import Waiter
from supervisor.errors import UnknownTaskError
from supervisor.ids import to_text
from supervisor.wire.messages import ArgumentsRow, TaskRow
from supervisor.wire.remote import RemoteError

if TYPE_CHECKING:
    from supervisor.broker.service import Service

_MOST_WAIT = 3600.0


class Inquiry:
    """A part of the service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def task(self, connection: Connection, ident: int | None, task_id: bytes, with_result: bool) -> object:
        """What is known of a task, once this turn is written."""
        if self._changing(task_id):
            self._service.waiters.add(Waiter(connection, ident, task_id, with_result, self._service.now.mono))
            return PARKED
        return self.row(task_id, with_result=with_result)

    def arguments(self, connection: Connection, ident: int | None, task_id: bytes) -> object:
        """The payload of a task."""
        found = self._service.journal.arguments(task_id)
        if found is None and task_id in self._service.book.agenda.tasks:
            entry = self._service.book.agenda.tasks[task_id]  # it came in this very turn
            new = self._service.book.agenda.changes.new[entry.seq]
            found = ArgumentsRow(new.name, new.payload, new.files, new.options.hidden)
        if found is None:
            raise RemoteError(UnknownTaskError, to_text(task_id))
        return found

    def _changing(self, task_id: bytes) -> bool:
        """Whether the task changed in this very turn: what the journal says of it is true only after the commit."""
        changes = self._service.book.agenda.changes
        entry = self._service.book.agenda.tasks.get(task_id)
        return task_id in changes.ended or (entry is not None and entry.seq in changes.touched)

    def row(self, task_id: bytes, *, with_result: bool) -> TaskRow | None:
        """What the journal knows of a task, and its progress where it runs."""
        row = self._service.journal.task(task_id, with_result=with_result)
        entry = self._service.book.agenda.tasks.get(task_id)
        if row is None or entry is None:
            return row and self._service.ended.current(row)
        progress = self._service.output.progress_of(entry.lease)
        return msgspec.structs.replace(row, progress=progress) if progress else row

    def wait_within(
        self, connection: Connection, ident: int | None, task_id: bytes, timeout: float, with_result: bool, by: bytes
    ) -> object:
        """The same for a task that waits in a worker. Raises RemoteError where neither could ever go on."""
        self._service.together.want_end(by, task_id)
        return self.wait(connection, ident, task_id, timeout, with_result, by)

    def wait(
        self,
        connection: Connection,
        ident: int | None,
        task_id: bytes,
        timeout: float,
        with_result: bool,
        by: bytes = b"",
    ) -> object:
        """The end of a task, when it has come."""
        if task_id not in self._service.book.agenda.tasks and task_id not in self._service.book.agenda.changes.ended:
            row = self.row(task_id, with_result=with_result)
            if row is None:
                raise RemoteError(UnknownTaskError, to_text(task_id))
            return row
        until = self._service.now.mono + min(max(timeout, 0.0), _MOST_WAIT)
        self._service.waiters.add(Waiter(connection, ident, task_id, with_result, until, by))
        return PARKED
