"""The calls about tasks that have ended: their attempts, taking them up again, and the dead letters.

Whatever goes through many of them does so a slice a call, each committed before it is answered: no other caller waits
for more than one, and who was killed in the middle can simply begin anew.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import msgspec

from supervisor.broker.connection import Connection
from supervisor.broker.restoring import fresh_entry_of
from supervisor.core.retention import DEAD, Remains, Retention
from supervisor.core.ties import Bond
from supervisor.errors import JournalFullError, KeyHeldError, QueueDrainingError, TaskNeededError, UnknownTaskError
from supervisor.ids import to_text
from supervisor.journal.archive import Place, Remainder
from supervisor.journal.removal import Remover
from supervisor.journal.rows import StoredTask
from supervisor.journal.sweep import MOST_HISTORY, Sweeper, forget
from supervisor.scoreboard import Header
from supervisor.states import State
from supervisor.wire.messages import DeadQuery, DeadSlice, Files, TaskRow
from supervisor.wire.remote import RemoteError

if TYPE_CHECKING:
    from supervisor.broker.service import Service


class Ended:
    """A part of the service. A task that was taken up in this very turn counts as unfinished, whatever its row says."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._book = service.book
        self._archive = service.journal.archive
        self.remover: Remover | None = None
        """Removes the files of what is dropped; without one they are left to the sweep."""
        self.retention: Retention | None = None
        self.sweeper: Sweeper | None = None

    def keep(self, retention: Retention) -> None:
        """Keep what has ended for so long from now on."""
        self.retention = retention
        if self.sweeper is not None:
            self.sweeper.retention = retention

    def current(self, row: TaskRow) -> TaskRow:
        """A row without the result that is due, whether the sweep has come by already or not."""
        keep, own = self.retention, row.options.result_ttl
        if keep is None or row.state != State.SUCCEEDED:
            return row
        remains = Remains(State.SUCCEEDED, row.ended_at, True, own if isinstance(own, float) else None)
        if row.options.store_result and self._service.now.wall < keep.result_until(remains):
            return row  # else it is there for its children at most
        return msgspec.structs.replace(row, result=None, files=row.files & ~Files.RESULT)

    def attempts(self, connection: Connection, ident: int | None, task_id: bytes) -> object:
        """The attempts that have ended."""
        found = self._archive.attempts(task_id)
        if found is None:
            raise RemoteError(UnknownTaskError, to_text(task_id))
        return found

    # -- taking up again ---------------------------------------------------------------------------------------

    def retry(self, connection: Connection, ident: int | None, task_id: bytes, retried: int, again: bool) -> object:
        """Take one up again, if that was done ``retried`` times before: a repeated call does not do it twice."""
        found = self._archive.stored(task_id)
        if found is None:
            raise RemoteError(UnknownTaskError, to_text(task_id))
        stored, before = found
        if stored.seq in self._book.agenda.changes.revived or before > retried:
            return again
        if self._unfinished(task_id) or before < retried:
            return False
        self._revive(stored)
        return True

    def retry_dead(self, connection: Connection, ident: int | None, query: DeadQuery) -> object:
        """Take up a slice of the dead letters. One whose unique key is held by another task stays where it is, and one
        whose end an unfinished child goes by.
        """
        found, place = self._archive.dead(query)
        count = 0
        last: Place | None = None
        for each in found:
            stored = self._archive.stored(each[1])
            if stored is None or self._unfinished(each[1]) or self._holder(stored[0]) is not None:
                continue
            if each[1] in self._book.agenda.dependencies.children:
                continue
            try:
                self._revive(stored[0])
            except RemoteError:
                if last is None:
                    raise
                return DeadSlice([], count, last)
            count, last = count + 1, each
        return DeadSlice([], count, place)

    def _unfinished(self, task_id: bytes) -> bool:
        return task_id in self._book.agenda.tasks or task_id in self._book.agenda.changes.ended

    def _holder(self, stored: StoredTask) -> bytes | None:
        unique = stored.keys.unique
        if unique is None or unique.until == "period":
            return None
        return self._book.agenda.uniques.holder(unique, self._service.now.wall)

    def _revive(self, stored: StoredTask) -> None:
        service = self._service
        if self._book.agenda.closed:
            raise RemoteError(QueueDrainingError)
        service.intake.want_room([stored.options.queue])
        holder = self._holder(stored)
        if holder is not None and stored.keys.unique is not None:
            raise RemoteError(KeyHeldError, to_text(stored.id), stored.keys.unique.key, to_text(holder))
        child = self._book.agenda.dependencies.child(stored.id)
        if child is not None:
            raise RemoteError(TaskNeededError, to_text(stored.id), to_text(child))
        newest = service.board.get(Header.GENERATION)
        entry = fresh_entry_of(stored, self._book.agenda.kinds, newest, service.now)
        ties = service.journal.ties.of(stored.seq)
        if ties is not None:
            entry.bond = Bond(ties)
        self._book.agenda.revive(entry, service.now, service.together.ends(ties))

    # -- dead letters ------------------------------------------------------------------------------------------

    def dead(self, connection: Connection, ident: int | None, query: DeadQuery) -> object:
        """List a slice of them."""
        found, place = self._archive.dead(query)
        rows = [self._service.journal.task(each[1], with_result=False, brief=True) for each in found]
        kept = [row for row in rows if row is not None and not self._unfinished(row.id)]
        return DeadSlice(kept, len(kept), place)

    def drop(self, connection: Connection, ident: int | None, task_id: bytes, again: bool) -> object:
        """Drop one: whether it was there. None when it has so long a history that there is more of it to drop."""
        row = self._archive.find(task_id)
        if row is None and not again:
            raise RemoteError(UnknownTaskError, to_text(task_id))
        if row is not None and not self._is_dead(row):
            return False
        return row is None or self._drop([row]) == 1 or None

    def drop_dead(self, connection: Connection, ident: int | None, query: DeadQuery) -> object:
        """Drop a slice of them."""
        found, place = self._archive.dead(query)
        rows = [self._archive.find(each[1]) for each in found]
        dead = [row for row in rows if row is not None and self._is_dead(row)]
        gone = self._drop(dead)
        if gone < len(dead):
            last = dead[gone - 1]
            place = (last.remains.ended or 0.0, last.id) if gone else query.place
        return DeadSlice([], gone, place)

    def _is_dead(self, row: Remainder) -> bool:
        if row.remains.state not in DEAD or row.id in self._book.agenda.dependencies.children:
            return False
        return not self._unfinished(row.id)

    def _drop(self, dead: list[Remainder]) -> int:
        """Drop these, or only the first of them, where they have run so often that the others would have to wait."""
        try:
            return forget(self._archive, self.remover, dead, [], MOST_HISTORY)
        except sqlite3.Error as error:
            raise RemoteError(JournalFullError, str(error)) from error
