"""The calls by which tasks come in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from supervisor.broker.connection import Connection
from supervisor.errors import QueueDrainingError, QueueFullError
from supervisor.scoreboard import Header
from supervisor.wire.messages import Submission
from supervisor.wire.remote import RemoteError

if TYPE_CHECKING:
    from supervisor.broker.service import Service


class Intake:
    """A part of the service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def info(self, connection: Connection, ident: int | None) -> object:
        """How to submit here."""
        return self._service.admission.terms

    def look(self, connection: Connection, ident: int | None, name: str) -> object:
        """What a name stands for."""
        return self._service.admission.look(name)

    def submit(self, connection: Connection, ident: int | None, submission: Submission) -> object:
        """Take one task in; its id, or that of the one that stands for it."""
        if submission.ties is not None:
            return self.accept([submission])[0]
        # What accept does, for the one that comes as a rule: lists of one take half as long again.
        submission = self._service.admission.check(submission)
        held = self._standing(submission)
        if held is not None:
            return held
        agenda = self._service.book.agenda
        if agenda.closed:
            raise RemoteError(QueueDrainingError)
        if agenda.capacity.tight:
            self.want_room([submission.options.queue], len(submission.payload))
        elif self._service.room is not None:
            self._service.room.want(len(submission.payload), self._service.now.mono)
        agenda.submit(self._stamped(submission), self._service.now)
        return submission.id

    def submit_many(self, connection: Connection, ident: int | None, submissions: list[Submission]) -> object:
        """The same for several: all of them, or none."""
        return self.accept(submissions)

    def accept(self, submissions: list[Submission]) -> list[bytes]:
        """The ids of the tasks that stand for these submissions: their own, or those of who holds their unique keys.
        All of them are accepted, or none.
        """
        admitted = [self._service.admission.check(each) for each in submissions]
        standing = [self._standing(each) for each in admitted]
        if self._service.book.agenda.closed and None in standing:  # those that were accepted before are not refused now
            raise RemoteError(QueueDrainingError)
        new = [each for each, held in zip(admitted, standing, strict=True) if held is None]
        self.want_room([each.options.queue for each in new], sum(len(each.payload) for each in new))
        for each in admitted:
            if each.ties is not None:
                return self._service.together.accept(admitted, standing, self._take_in)
        return [held or self._take_in(each) for each, held in zip(admitted, standing, strict=True)]

    def _standing(self, submission: Submission) -> bytes | None:
        """The id of the task that is here already and stands for this submission."""
        if submission.id in self._service.book.agenda.tasks:
            return submission.id
        if submission.again and self._service.together.is_known(submission.id):
            return submission.id  # the first try was accepted, only its answer was lost; it may even be over
        return None if submission.keys is None else self._service.book.agenda.holder(submission, self._service.now)

    def want_room(self, queues: list[str], size: int = 0) -> None:
        """Raise QueueFullError unless there is room for one task more in each of these queues, JournalFullError unless
        there is room for so many bytes on the disk.
        """
        lacking = self._service.book.agenda.capacity.lacking(queues)
        if lacking:
            raise RemoteError(QueueFullError, *lacking)
        if self._service.room is not None and queues:
            self._service.room.want(size, self._service.now.mono)

    def _take_in(self, submission: Submission) -> bytes:
        if submission.keys is not None and (held := self._service.book.agenda.holder(submission, self._service.now)):
            return held  # one before it in the same call took its key
        submission = self._stamped(submission)
        if submission.ties is None:
            self._service.book.agenda.submit(submission, self._service.now)
        else:
            self._service.book.agenda.submit(
                submission, self._service.now, self._service.together.ends(submission.ties)
            )
        return submission.id

    def _stamped(self, submission: Submission) -> Submission:
        """With a generation of this tree. One that was stamped under a tree that is gone has too high a number, maybe:
        this one began to count anew, and its code is as new as any.
        """
        newest = self._service.board.get(Header.GENERATION)
        if submission.generation <= newest:
            return submission
        return msgspec.structs.replace(submission, generation=newest)
