"""The end of a turn: hand out, commit, and only then answer.

Apart from how requests arrive: the server reads them from sockets, and in the in-process mode for tests
(:mod:`supervisor.testing`) they come from the caller's own thread.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic_ns
from typing import Protocol

from msgspec import Struct

from supervisor.broker.connection import Connection
from supervisor.broker.grants import grant
from supervisor.broker.service import Service
from supervisor.broker.turn import Turn
from supervisor.broker.waiters import Waiter
from supervisor.core.book import Handout
from supervisor.core.changes import Changes
from supervisor.errors import JournalFullError
from supervisor.journal.rows import Pieces
from supervisor.log import log
from supervisor.scoreboard import Header
from supervisor.system.allocator import give_back
from supervisor.wire.channel import Message
from supervisor.wire.codec import RETURN, encode_reply

_COUNT_SECONDS = 1.0


class Line(Protocol):
    """Where words for the master go."""

    welcomed: bool
    """Whether it has said who lives; before that nothing may be handed out."""

    def wake(self) -> None:
        """Make it look at the scoreboard now."""
        ...

    def send(self, message: Message) -> None:
        """Tell it something."""
        ...


class _Decided(Struct, eq=False):
    """What a turn has come to, before anybody hears of it."""

    handouts: list[Handout]
    changes: Changes
    pieces: Pieces | None
    turn: Turn
    mono: float


class Settler:
    """Ends turns. ``handed_out`` hears of each grant: (connection, how many tasks, monotonic time); ``blocked`` of a
    connection that does not take all that was sent.
    """

    def __init__(
        self,
        service: Service,
        line: Line,
        handed_out: Callable[[Connection, int, float], object],
        blocked: Callable[[Connection], None],
    ) -> None:
        self._service = service
        self._board = service.board
        self._line = line
        self._handed_out = handed_out
        self._blocked = blocked
        self._pieces = Pieces()
        """What is to be written of what tasks say; as a rule there is nothing, turn after turn."""
        self._backlog = -1
        self._count_at = 0.0
        self._held: _Decided | None = None

    def settle(self) -> None:
        """Hand out, commit, and only then answer."""
        service = self._service
        handouts = self._decide()
        changes, pieces = service.book.agenda.take_changes(service.now), self._collect()
        turn, service.turn = service.turn, Turn()
        decided = _Decided(handouts, changes, pieces, turn, service.now.mono)
        if self._commit(decided):
            self._publish(decided)

    @property
    def stalled(self) -> bool:
        """Whether the disk did not take what was decided. Until it does nothing is decided, nor told to anyone."""
        return self._held is not None

    def try_again(self) -> bool:
        """Commit what the disk did not take; whether all is well now."""
        held = self._held
        if held is None:
            return True
        self._service.journal.shrink()
        if not self._commit(held):
            return False
        self._held = None
        log.warning("the disk has room again: the queue goes on")
        late = int((self._service.now.mono - held.mono) * 1e9)
        for lease in (lease for handout in held.handouts for lease in handout.leases if lease.deadline_ns):
            lease.deadline_ns += late  # nobody has had it until now
        self._publish(held)
        return True

    def _commit(self, decided: _Decided) -> bool:
        if not decided.changes and decided.pieces is None:
            return True
        began = monotonic_ns()
        try:
            self._service.journal.write(decided.changes, decided.pieces)
        except JournalFullError as error:
            if self._held is None:
                log.error("%s; until then the queue stands still, and nothing is lost", error)
            self._held = decided
            return False
        self._service.gauging.commits.add(monotonic_ns() - began)
        return True

    def _publish(self, decided: _Decided) -> None:
        """It is in the journal: tell everybody whom it concerns."""
        service, changes, pieces, turn = self._service, decided.changes, decided.pieces, decided.turn
        for handout in decided.handouts:
            self._hand_out(handout)
        for word in turn.words:
            self._line.send(word)
        for connection, data in turn.replies:
            connection.send(data, self._blocked)
        for task_id in changes.ended if service.waiters else ():
            for waiter in service.waiters.ended(task_id):
                self._answer(waiter)
        if service.output.followed:
            talked = pieces.talked if pieces is not None else ()
            service.listening.wake({*talked, *changes.ended}, self._send)
            service.listening.expire(service.now.mono, self._send)
        for waiter in service.waiters.expired(service.now.mono):
            self._answer(waiter)

    def _decide(self) -> list[Handout]:
        """See to what is due; what is handed out."""
        service = self._service
        book, now = service.book, service.now
        book.agenda.tick(now)
        service.timetable.tick()
        service.hooks.tick()
        handouts = book.assign(now) if self._line.welcomed else []
        backlog = book.backlog()
        if backlog != self._backlog:
            self._tell_backlog(backlog)
        service.draining.tick()
        return handouts

    def _collect(self) -> Pieces | None:
        """What running tasks have said, and now and then what was counted; None for nothing."""
        service, now = self._service, self._service.now
        pieces = self._pieces
        service.output.followed = bool(service.listening.parked)
        service.output.collect(pieces, service.turn.late, now)
        service.streams.collect(pieces, service.turn.late)
        if now.mono >= self._count_at:
            self._count_at = now.mono + _COUNT_SECONDS
            service.desk.count(pieces)
            if service.book.agenda.shrink():
                give_back()
        if not pieces:
            return None
        self._pieces = Pieces()
        return pieces

    def next_due(self) -> float | None:
        """The monotonic time at which a turn is due even if nobody asks for anything."""
        service = self._service
        soonest: float | None = None
        for due in (service.book.agenda.next_due(service.now), service.timetable.next_due(), service.draining.next_due):
            if due is not None and (soonest is None or due < soonest):
                soonest = due
        return soonest

    def _tell_backlog(self, backlog: int) -> None:
        """On the scoreboard; the master is woken for it only when it may have more workers."""
        before, self._backlog = self._backlog, backlog
        self._board.put(Header.BACKLOG, backlog)
        if not before and self._board.get(Header.GROWS):
            self._line.wake()

    def _hand_out(self, handout: Handout) -> None:
        worker = handout.worker
        connection, ident = self._service.links[worker.number]
        first = handout.leases[0]
        # The scoreboard first: from here on the master holds the worker to its deadline, even if it never reads this.
        self._board.slots[worker.slot].claim(first.number, first.deadline_ns)
        if first.deadline_ns and first.deadline_ns < self._board.get(Header.MASTER_WAKE_NS):
            self._line.wake()
        dependencies = self._service.book.agenda.dependencies
        grants = [grant(lease, self._service.journal, dependencies) for lease in handout.leases]
        connection.send(encode_reply(ident, RETURN, grants), self._blocked)
        self._handed_out(connection, len(grants), self._service.now.mono)

    def _answer(self, waiter: Waiter) -> None:
        row = self._service.inquiry.row(waiter.task_id, with_result=waiter.with_result)
        self._send(waiter.connection, encode_reply(waiter.ident, RETURN, row))

    def _send(self, connection: Connection, data: bytes) -> None:
        connection.send(data, self._blocked)
