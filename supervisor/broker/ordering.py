"""The calls about order and pace: priorities, and the named queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.broker.connection import Connection
from supervisor.core.internal import QUEUE as OWN_QUEUE
from supervisor.errors import UnknownTaskError
from supervisor.ids import to_text
from supervisor.wire.remote import RemoteError

if TYPE_CHECKING:
    from supervisor.broker.service import Service


class Ordering:
    """A part of the service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._agenda = service.book.agenda

    def prioritise(self, connection: Connection, ident: int | None, task_id: bytes, priority: int) -> object:
        """Give a task that has not started another priority; False when it has."""
        if self._agenda.prioritise(task_id, priority):
            return True
        if self._service.journal.state_of(task_id) is None:
            raise RemoteError(UnknownTaskError, to_text(task_id))
        return False

    def hasten(self, connection: Connection, ident: int | None, task_id: bytes) -> object:
        """A task waits for this one: it goes before all others of its queue. False when nobody has to wait for it."""
        entry = self._agenda.tasks.get(task_id)
        if entry is None:
            return False
        self._agenda.waiting.hasten(entry)
        return True

    def queues(self, connection: Connection, ident: int | None) -> object:
        """The named queues, but for our own."""
        return [
            {"name": queue.name, "ready": queue.count, "weight": queue.weight, "paused": queue.paused}
            for queue in self._agenda.waiting.ready.queues.values()
            if queue.name != OWN_QUEUE
        ]

    def pause(self, connection: Connection, ident: int | None, name: str, paused: bool) -> object:
        """Hand out nothing more from a queue, or again."""
        before = self._agenda.waiting.ready.queue(name).paused
        self._agenda.pause(name, paused=paused)
        if before != paused:
            self._service.configuring.note(connection, f"queue:{name} paused", before, paused)
        return True

    def weigh(self, connection: Connection, ident: int | None, name: str, weight: float) -> object:
        """Give a queue so many turns where one of weight 1 has one."""
        before = self._agenda.waiting.ready.queue(name).weight
        self._agenda.weigh(name, weight)
        if before != weight:
            self._service.configuring.note(connection, f"queue:{name} weight", before, weight)
        return True
