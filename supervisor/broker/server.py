"""The broker's loop: read everything that is ready, apply it to the book, commit once, answer.

A server for ``multiprocessing.managers`` clients, with one selector loop in place of a thread a connection. One
thread means no locks; one commit a turn is group commit.
"""

from __future__ import annotations

import os
import select
import socket
import time

from supervisor.broker.batches import Batches
from supervisor.broker.connection import Connection
from supervisor.broker.eager import EagerPoll
from supervisor.broker.line import MasterLine
from supervisor.broker.service import Service
from supervisor.broker.settling import Settler
from supervisor.broker.takeback import take_back
from supervisor.core.moment import Moment
from supervisor.errors import MessageTooLargeError
from supervisor.journal.checkpoint import Checkpointer
from supervisor.journal.rows import Pieces
from supervisor.journal.sweep import Sweeper
from supervisor.log import log
from supervisor.scoreboard import Header, Scoreboard
from supervisor.states import State
from supervisor.wire.codec import ERROR, HEADER, MALFORMED, encode_reply

_HANDSHAKE_SECONDS = 5.0
_BEAT_SECONDS = 0.5
_STALL_SECONDS = 0.1
_ACCEPTS_A_TURN = 64
_EVENTS = 512
_OUT_LIMIT = 64 << 20
Heard = list[tuple[Connection, list[bytes]]]
"""Who has said something, and what."""


class Server:
    """Everything that listens, and the turn that handles what it heard."""

    def __init__(
        self, listener: socket.socket, line: MasterLine, service: Service, key: bytes, limit: int, bell: int
    ) -> None:
        self._listener = listener
        self._listening = listener.fileno()
        self._line = line
        self._mastering = line.fileno()
        self._service = service
        self._key = key
        self._limit = limit
        self._board: Scoreboard = service.board
        self._epoll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._bell = bell
        self._batches = Batches(self._epoll)
        self._settler = Settler(service, line, self._batches.handed_out, self._blocked)
        self._postponed: list[tuple[Connection, bytes]] = []
        """What was said while the disk was full."""
        self._again = False
        """The book changed after this turn's commit: the next turn comes at once."""
        self._next_beat = 0.0
        self.checkpointer: Checkpointer | None = None
        self.sweeper: Sweeper | None = None

    def serve(self) -> None:
        """Run until the master says stop, or is gone."""
        epoll = self._epoll
        self._listener.setblocking(False)
        for descriptor in (self._listening, self._mastering, self._service.output.descriptor, self._bell):
            epoll.register(descriptor, select.EPOLLIN)
        poll, leases, cpus = EagerPoll(epoll, _EVENTS), self._service.book.leases, len(os.sched_getaffinity(0))
        while not self._line.stopped:
            self.turn(poll.wait(self._patience(), spare=len(leases) < cpus))
        self._write_counts()
        for connection in list(self._connections.values()):
            self._hang_up(connection)

    def _write_counts(self) -> None:
        pieces = Pieces()
        self._service.desk.count(pieces, at_once=True)
        if pieces:
            self._service.journal.write(self._service.book.agenda.take_changes(self._service.now), pieces)

    # -- a turn ------------------------------------------------------------------------------------------------

    def turn(self, events: list[tuple[int, int]]) -> None:
        """Handle what is ready, and everything that is due."""
        self._service.now = Moment.now()
        if self._settler.stalled:
            self._stand_still(events)
        else:
            self._go_on(events)

    def _go_on(self, events: list[tuple[int, int]]) -> None:
        service = self._service
        heard = self._hear_clients(events)
        ready = {descriptor for descriptor, _ in events}
        if self._bell in ready:
            self._answer_bell(heard)
        master = self._mastering in ready
        talked = any(connection.worker is not None for connection, _ in heard) or service.output.descriptor in ready
        # What a task printed was written before its report was sent. So the pipes are read after the reports were
        # received and before they are handled: the last line belongs to the attempt that printed it.
        if talked or master:
            service.output.read(service.now)
        if master:
            self._from_master(heard)
        for connection, bodies in heard:
            for body in bodies:
                self._handle(connection, body)
        self._settler.settle()
        self._keep_house(service.now.mono)

    def _hear_clients(self, events: list[tuple[int, int]]) -> Heard:
        """What has come over the connections that are ready, and those that are new."""
        heard: Heard = []
        for descriptor, mask in events:
            connection = self._connections.get(descriptor)
            if connection is not None:
                self._hear(connection, mask, heard)
            elif descriptor == self._listening:
                self._accept()
        return heard

    def _stand_still(self, events: list[tuple[int, int]]) -> None:
        """The disk is full, and what was decided is not written: nothing can be decided on top of it. New tasks are
        refused, all else is kept for later; the master's words and the workers' pipes wait where they are.
        """
        for connection, bodies in self._hear_clients(events):
            self._postponed += [(connection, body) for body in bodies if not self._service.refuse(connection, body)]
        for connection, data in self._service.turn.replies:
            connection.send(data, self._blocked)
        self._service.turn.replies.clear()
        self._beat(self._service.now.mono)
        if not self._settler.try_again():
            time.sleep(_STALL_SECONDS)  # what is ready stays ready, so the poll would not wait
            return
        postponed, self._postponed = self._postponed, []
        for connection, body in postponed:
            self._handle(connection, body)
        self._again = True

    def _answer_bell(self, heard: Heard) -> None:
        os.eventfd_read(self._bell)
        for connection in self._batches.muted():
            self._hear(connection, select.EPOLLIN, heard)

    def _hear(self, connection: Connection, mask: int, heard: Heard) -> None:
        if mask & select.EPOLLOUT and connection.flush():
            self._epoll.modify(connection.fd, connection.mask)
        if not mask & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            return
        try:
            bodies = connection.read()
        except MessageTooLargeError as error:
            connection.send(encode_reply(None, ERROR, ("MessageTooLargeError", (0, self._limit))), self._blocked)
            log.warning("a client's message was refused: %s", error)
            bodies = None
        except PermissionError as error:
            connection.send(HEADER.pack(0), self._blocked)  # in the place of our proof, so that it need not guess
            log.warning("a connection was refused: %s", error)
            bodies = None
        except OSError as error:
            log.debug("a connection broke: %s", error)
            bodies = None
        if bodies is None:
            self._hang_up(connection)
        elif bodies:
            heard.append((connection, bodies))
        if connection.out and not connection.closed:
            self._blocked(connection)

    def _handle(self, connection: Connection, body: bytes) -> None:
        if connection.closed and connection.worker is None:
            return
        try:
            self._service.hear(connection, body)
        except MALFORMED as error:
            value = ("BadRequestError", (f"no request: {error}",))
            connection.send(encode_reply(None, ERROR, value), self._blocked)
            self._hang_up(connection)

    def _from_master(self, heard: Heard) -> None:
        # A dead worker's last reports may still be in its socket. They count, so they are read before its death is.
        def last_words(worker: int) -> None:
            link = self._service.links.get(worker)
            if link is None or link[0].closed:
                return
            before = [bodies for connection, bodies in heard if connection is link[0]]
            for body in (body for bodies in before for body in bodies):
                self._handle(link[0], body)
            heard[:] = [pair for pair in heard if pair[0] is not link[0]]
            self._read_rest(link[0])

        self._line.receive(self._service, last_words)

    def _read_rest(self, connection: Connection) -> None:
        try:
            while bodies := connection.read():
                self._service.output.read(self._service.now)
                for body in bodies:
                    self._handle(connection, body)
        except (OSError, MessageTooLargeError) as error:
            log.debug("a dead worker's connection broke: %s", error)

    # -- what is due -------------------------------------------------------------------------------------------

    def _keep_house(self, now: float) -> None:
        service = self._service
        for connection in self._batches.overdue(now):
            self._look_after(connection, now)
        if self.sweeper is not None and now >= self.sweeper.next_time:
            self.sweeper.step(service.now)
        if service.room is not None:
            service.room.tidy(now)
        if now >= self._next_beat:
            self._beat(now)
            self._drop_silent(now)
            if self.checkpointer is not None:
                self.checkpointer.nudge()
                service.journal.restart_wal()

    def _beat(self, now: float) -> None:
        self._next_beat = now + _BEAT_SECONDS
        unfinished = self._service.book.unfinished()
        self._board.put(Header.UNFINISHED, sum(unfinished.values()))
        self._board.put(Header.HELD, unfinished.get(State.RUNNING.value, 0))
        self._board.put(Header.BROKER_BEAT_NS, time.monotonic_ns())
        self._board.put(Header.SERVING, 1)

    def _look_after(self, connection: Connection, now: float) -> None:
        """A worker has not rung for a while: read what it has reported, and take back what it has not started."""
        heard: Heard = []
        self._hear(connection, select.EPOLLIN, heard)
        self._service.output.read(self._service.now)  # between receiving and handling, as in every turn
        for _, bodies in heard:
            for body in bodies:
                self._handle(connection, body)
        self._again = True
        worker = connection.worker
        if worker is None or connection.closed or not self._batches.held_up(connection, now):
            return
        if len(worker.leases) > 1:
            slot, moment = self._board.slots[worker.slot], self._service.now
            take_back(self._service.book, worker, slot, moment, worker.leases[0].number)

    def _drop_silent(self, now: float) -> None:
        for connection in [each for each in self._connections.values() if not each.trusted]:
            if now - connection.opened_at > _HANDSHAKE_SECONDS:
                self._hang_up(connection)

    def _patience(self) -> float:
        if self._again:
            self._again = False
            return 0.0
        service = self._service
        soonest = self._next_beat
        for when in (
            self._settler.next_due(),
            service.waiters.next_time(),
            service.output.next_flush,
            self._batches.next_time(),
            service.listening.next_time() if service.output.followed else None,
            self.sweeper.next_time if self.sweeper is not None else None,
        ):
            if when is not None and when < soonest:
                soonest = when
        return max(0.0, soonest - time.monotonic())

    # -- connections -------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_A_TURN):
            try:
                connected, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                log.warning("a connection could not be accepted: %s", error)
                return
            connected.setblocking(False)
            connection = Connection(connected, self._key, self._limit, self._service.now.mono)
            self._connections[connection.fd] = connection
            self._epoll.register(connection.fd, select.EPOLLIN)
            connection.send(connection.greet(), self._blocked)

    def _blocked(self, connection: Connection) -> None:
        if len(connection.out) > _OUT_LIMIT:
            log.warning("a client does not read its answers and was disconnected")
            self._hang_up(connection)
        elif not connection.closed:
            self._epoll.modify(connection.fd, connection.mask | select.EPOLLOUT)

    def _hang_up(self, connection: Connection) -> None:
        if connection.closed:
            return
        self._epoll.unregister(connection.fd)
        del self._connections[connection.fd]
        connection.close()
        self._batches.drop(connection)
        self._service.hung_up(connection)
