"""The calls that workers make: to be known, to report, to ask for more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.broker.connection import Connection
from supervisor.broker.turn import PARKED
from supervisor.core.entry import Worker
from supervisor.errors import BadRequestError
from supervisor.wire.codec import NO_REPLY
from supervisor.wire.messages import Hello, Report
from supervisor.wire.remote import RemoteError
from supervisor.wire.talks import Item

if TYPE_CHECKING:
    from supervisor.broker.service import Service


class Staff:
    """A part of the service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def hello(self, connection: Connection, ident: int | None, hello: Hello) -> object:
        """A worker has connected, maybe again."""
        connection.worker = self._service.book.hello(hello)
        self._service.links[hello.worker] = (connection, NO_REPLY)
        return True

    def report(self, connection: Connection, ident: int | None, report: Report) -> object:
        """An attempt has ended."""
        if connection.worker is None:
            raise RemoteError(BadRequestError, "report: say hello first")
        self.take(connection.worker, report)
        return True

    def take(self, worker: Worker, report: Report) -> None:
        """An attempt has ended by this worker's word."""
        if self._service.book.complete(worker, report, self._service.now):
            self._service.turn.late.append(report.lease)

    def item(self, connection: Connection, ident: int | None, item: Item) -> object:
        """A piece of a stream; answered when there is room for another."""
        return True if self._service.streams.take(connection, item) else PARKED

    def next(self, connection: Connection, ident: int | None, reports: list[Report], most: int) -> object:
        """What ended, and that the worker wants more; answered with leases."""
        worker = connection.worker
        if worker is None:
            raise RemoteError(BadRequestError, "next: say hello first")
        for report in reports:
            self.take(worker, report)
        self._service.links[worker.number] = (connection, ident)
        if self._service.book.ask(worker, most, self._service.now):
            self._service.board.slots[worker.slot].unclaim()
        return PARKED

    def lost(self, connection: Connection) -> None:
        """A worker's connection is gone. Whether it is dead is for the master to say; it may only be reconnecting."""
        service, worker = self._service, connection.worker
        if worker is not None and service.links.get(worker.number, (None,))[0] is connection:
            del service.links[worker.number]
            service.book.leave(worker)
