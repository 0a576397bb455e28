"""What the broker does for clients and workers: each request is answered by the part that it is for."""

from __future__ import annotations

from typing import Any

import msgspec

from supervisor.broker.admission import Admission
from supervisor.broker.clearing import Clearing
from supervisor.broker.configuring import Configuring
from supervisor.broker.connection import Connection
from supervisor.broker.desk import Desk
from supervisor.broker.draining import Draining
from supervisor.broker.ended import Ended
from supervisor.broker.gauging import Gauging
from supervisor.broker.hooks import Hooks
from supervisor.broker.inquiry import Inquiry
from supervisor.broker.intake import Intake
from supervisor.broker.listening import Listening
from supervisor.broker.methods import Call, methods
from supervisor.broker.ordering import Ordering
from supervisor.broker.output import OutputReader
from supervisor.broker.room import Room
from supervisor.broker.staff import Staff
from supervisor.broker.streams import Streams
from supervisor.broker.timetable import Timetable
from supervisor.broker.together import Together
from supervisor.broker.turn import PARKED, Turn
from supervisor.broker.waiters import Waiter, Waiters
from supervisor.core.book import Book
from supervisor.core.moment import Moment
from supervisor.errors import BadRequestError, JournalFullError
from supervisor.journal.journal import Journal
from supervisor.scoreboard import Scoreboard
from supervisor.wire.codec import ERROR, MALFORMED, NO_REPLY, RETURN, Request, decode_request, encode_reply
from supervisor.wire.info import Info
from supervisor.wire.messages import (
    BARE_REPORT,
    decode_bare_report,
)
from supervisor.wire.remote import RemoteError

_SUBMITS = ("submit", "submit_many")
_STALLED = "the disk is full, and what was accepted before waits to be written"


class Service:
    """Answers requests. What it answers stays in ``turn`` until the loop has committed."""

    def __init__(self, book: Book, journal: Journal, board: Scoreboard, output: OutputReader) -> None:
        self.book = book
        self.journal = journal
        self.board = board
        self.output = output
        self.waiters: Waiters[Waiter] = Waiters()
        self.links: dict[int, tuple[Connection, int | None]] = {}
        """Each worker's connection, and the call in which it waits for work."""
        self.turn = Turn()
        self.now = Moment.now()
        self.info: dict[str, Any] = {}
        self.room: Room | None = None
        """None where nothing is written to a disk."""
        self.admission = Admission(Info("pickle", 64 * 1024, 1 << 30))
        self.intake = Intake(self)
        self.inquiry = Inquiry(self)
        self.staff = Staff(self)
        self.ended = Ended(self)
        self.timetable = Timetable(self)
        self.together = Together(self)
        self.streams = Streams(book, journal)
        self.listening = Listening(self)
        self.hooks = Hooks(self)
        self.configuring = Configuring(self)
        self.draining = Draining(self)
        self.clearing = Clearing(self)
        self.desk = Desk(self)
        self.gauging = Gauging(self)
        self.ordering = Ordering(self)
        self.calls = methods(self)

    def hear(self, connection: Connection, body: bytes) -> None:
        """Carry out what a message asks for. MALFORMED where it is no request; any other error is its answer."""
        if body[:1] == BARE_REPORT and connection.worker is not None:
            self.staff.take(connection.worker, decode_bare_report(body))
        else:
            self.handle(connection, decode_request(body))

    def handle(self, connection: Connection, request: Request) -> None:
        """Carry out one request; errors of every sort become its answer."""
        ident = request.ident
        call = self.calls.get(request.method)
        try:
            if call is None:
                raise RemoteError(BadRequestError, f"there is no method {request.method!r}")
            value = call.handler(connection, ident, *_arguments(call, request))
        except RemoteError as error:
            self.reply(connection, ident, ERROR, error.as_value())
        except msgspec.MsgspecError as error:
            self.reply(connection, ident, ERROR, RemoteError(BadRequestError, f"{request.method}: {error}").as_value())
        else:
            if value is not PARKED:
                self.reply(connection, ident, RETURN, value)

    def refuse(self, connection: Connection, body: bytes) -> bool:
        """Refuse at once what a message asks for, if it is to submit something; whether it was."""
        if body[:1] == BARE_REPORT:
            return False
        try:
            request = decode_request(body)
        except MALFORMED:
            return False
        if request.method not in _SUBMITS:
            return False
        self.reply(connection, request.ident, ERROR, RemoteError(JournalFullError, _STALLED).as_value())
        return True

    def reply(self, connection: Connection, ident: int | None, kind: str, value: object) -> None:
        """Answer after the commit."""
        if ident != NO_REPLY:
            self.turn.replies.append((connection, encode_reply(ident, kind, value)))

    def hung_up(self, connection: Connection) -> None:
        """A connection is gone, and with it the calls that wait on it."""
        self.waiters.drop(connection)
        self.listening.drop(connection)
        self.staff.lost(connection)


def _arguments(call: Call, request: Request) -> tuple[object, ...]:
    try:
        return call.decode(request.args)
    except MALFORMED as error:
        raise RemoteError(BadRequestError, f"{request.method}: {error}") from error
