"""The calls about tasks that depend on each other, and about groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from supervisor.broker.connection import Connection
from supervisor.core.book import Cancelled
from supervisor.core.dependencies import End
from supervisor.core.ties import Ties
from supervisor.errors import DeadlockError, UnknownGroupError, UnknownTaskError
from supervisor.ids import to_text
from supervisor.wire.messages import GroupRow, MemberSlice, Submission, TaskRow
from supervisor.wire.remote import RemoteError

if TYPE_CHECKING:
    from supervisor.broker.service import Service

_MOST_ROWS = 500
_MOST_BYTES = 4 << 20
_LONGEST_WAY = 20
"""Most names that the sentence of a deadlock tells."""


class Together:
    """A part of the service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._agenda = service.book.agenda
        self._ties = service.journal.ties

    # -- submitting --------------------------------------------------------------------------------------------

    def accept(
        self, submissions: list[Submission], standing: list[bytes | None], take_in: Callable[[Submission], bytes]
    ) -> list[bytes]:
        """Take in tasks of which some have ties: all of them, or none, for the caller has looked at all else.

        Parents come before their children. What stands for a parent, since it holds its unique key, is the parent.
        """
        if any(each.again and held == each.id for each, held in zip(submissions, standing, strict=True)):
            # All of it was accepted at the first try. What is unknown of it, another stood for, and may be over by now.
            return [held or self._stood(each) for each, held in zip(submissions, standing, strict=True)]
        self._want_parents(submissions)
        stands: dict[bytes, bytes] = {}
        return [self._take(each, held, stands, take_in) for each, held in zip(submissions, standing, strict=True)]

    def _take(
        self,
        submission: Submission,
        held: bytes | None,
        stands: dict[bytes, bytes],
        take_in: Callable[[Submission], bytes],
    ) -> bytes:
        """Take in one of them; ``stands`` tells what others stand for those before it."""
        ties = submission.ties
        if stands and ties is not None:
            ties = msgspec.structs.replace(ties, parents=[stands.get(each, each) for each in ties.parents])
            submission = msgspec.structs.replace(submission, ties=ties)
        task_id = held or take_in(submission)
        if task_id != submission.id:
            stands[submission.id] = task_id
            if ties is not None and ties.group:
                self._add_member(ties, task_id)
        return task_id

    def _stood(self, submission: Submission) -> bytes:
        """The task that stood for a member of a group when that was accepted."""
        ties = submission.ties
        found = self._ties.member(ties.group, ties.position) if ties is not None and ties.group else None
        return found or submission.id

    def _want_parents(self, submissions: list[Submission]) -> None:
        """Raise UnknownTaskError for a parent that nobody knows, or that comes after its child."""
        seen: set[bytes] = set()
        for submission in submissions:
            for parent in () if submission.ties is None else submission.ties.parents:
                if parent not in seen and not self.is_known(parent):
                    raise RemoteError(UnknownTaskError, to_text(parent))
            seen.add(submission.id)

    def is_known(self, task_id: bytes) -> bool:
        """Whether there is such a task, ended or not."""
        agenda = self._agenda
        return task_id in agenda.tasks or task_id in agenda.changes.ended or self._ties.find(task_id) is not None

    def _add_member(self, ties: Ties, task_id: bytes) -> None:
        """A task that was here already is a member of a new group."""
        entry = self._agenda.tasks.get(task_id) or self._agenda.changes.ended.get(task_id)
        stored = None if entry is not None else self._service.journal.state_of(task_id)
        seq = entry.seq if entry is not None else stored[0] if stored is not None else 0
        self._agenda.changes.new_ties().members.append((ties, seq, task_id))

    def ends(self, ties: Ties | None) -> dict[bytes, End]:
        """How those of a task's parents have ended that are not unfinished."""
        if ties is None:
            return {}
        agenda = self._agenda
        over = [each for each in dict.fromkeys(ties.parents) if each not in agenda.tasks]
        found = {each: agenda.changes.ended[each] for each in over if each in agenda.changes.ended}
        told = {each: End(entry.kind.name, entry.state) for each, entry in found.items()}
        return told | self._ties.ends(each for each in over if each not in found)

    # -- results -----------------------------------------------------------------------------------------------

    def handed(self, connection: Connection, ident: int | None, task_id: bytes, first: int) -> object:
        """What some of a running task's parents hand on to it, from this place on."""
        entry = self._agenda.tasks.get(task_id)
        if entry is None or entry.bond is None:
            raise RemoteError(UnknownTaskError, to_text(task_id))
        ties = entry.bond.ties
        return MemberSlice(self._rows(ties.parents[first : min(ties.takes, first + _MOST_ROWS)], self._row), ties.takes)

    def records(self, connection: Connection, ident: int | None, ids: list[bytes]) -> object:
        """What these tasks have come to, from the first on, as many as make a message."""

        def row(task_id: bytes) -> TaskRow | None:
            found = self._row(task_id)
            return found and self._service.ended.current(found)

        return MemberSlice(self._rows(ids, row), len(ids))

    def _rows(self, ids: Iterable[bytes], row: Callable[[bytes], TaskRow | None]) -> list[TaskRow | None]:
        """As many as make a message."""
        found: list[TaskRow | None] = []
        size = 0
        for task_id in ids:
            each = row(task_id)
            found.append(each)
            size += _size(each)
            if size > _MOST_BYTES:
                break
        return found

    def _row(self, task_id: bytes) -> TaskRow | None:
        """A task's row with its result or its error, whatever is due, and without its output."""
        row = self._service.journal.task(task_id, with_result=True, brief=True)
        if row is None or row.error is None:
            return row
        row = self._service.journal.task(task_id, with_result=False)
        return row and msgspec.structs.replace(row, output="")

    # -- groups ------------------------------------------------------------------------------------------------

    def group(self, connection: Connection, ident: int | None, group: bytes) -> object:
        """The members and their states."""
        members = self._ties.members(group)
        if not members:
            raise RemoteError(UnknownGroupError, to_text(group))
        found = [(task_id, self._state(task_id, state)) for task_id, state, _ in members]
        return GroupRow(found, max(size for _, _, size in members))

    def _state(self, task_id: bytes, written: str) -> str:
        """Its state at this moment, which is what was written at the last turn, unless it has gone on."""
        entry = self._agenda.tasks.get(task_id) if written else None
        return written if entry is None else entry.state.value

    def cancel(self, connection: Connection, ident: int | None, group: bytes) -> object:
        """Cancel what is unfinished of a group, and what leads to it; how many tasks that were."""
        members = self._ties.members(group, inner=True)
        if not members:
            raise RemoteError(UnknownGroupError, to_text(group))
        count = 0
        for task_id, *_ in reversed(members):  # what waits before what it waits for, which would end it uncounted
            found, lease = self._service.book.cancel(task_id, self._service.now)
            count += found is not Cancelled.UNKNOWN
            if lease is not None:
                self._service.clearing.ask_to_end(lease)
        return count

    # -- waiting inside tasks ------------------------------------------------------------------------------------

    def want_end(self, waiter: bytes, task_id: bytes) -> None:
        """Raise DeadlockError where a task (``waiter``) is about to wait for one that waits for it."""
        agenda = self._agenda
        if waiter not in agenda.tasks or task_id not in agenda.tasks:
            return
        way = agenda.dependencies.path(task_id, waiter, agenda.tasks, self._service.waiters.awaited_by)
        if way:
            names = [f"{entry.kind.name} ({to_text(entry.id)})" for entry in way]
            if len(names) > _LONGEST_WAY:
                names[_LONGEST_WAY // 2 : -_LONGEST_WAY // 2] = ["…"]
            raise RemoteError(DeadlockError, to_text(waiter), to_text(task_id), names)


def _size(row: TaskRow | None) -> int:
    if row is None:
        return 0
    error = len(row.error.traceback) + len(row.error.message) if row.error is not None else 0
    return len(row.result or b"") + error + len(row.stack or "")
