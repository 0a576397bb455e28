"""Draining the queue: nothing is taken in or handed out, what runs may end, and what has not ended in time is put
back.

That it is drained is in the journal, so a new broker knows; the caller, who asks again, then waits for what is left.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from supervisor.broker.configuring import ACCEPTING
from supervisor.broker.connection import Connection
from supervisor.broker.turn import PARKED
from supervisor.log import log
from supervisor.wire.channel import StopRunning
from supervisor.wire.codec import RETURN

if TYPE_CHECKING:
    from supervisor.broker.service import Service

_AGAIN_SECONDS = 1.0


@dataclass(slots=True)
class _Drain:
    """A caller that waits for the end of what runs."""

    connection: Connection
    ident: int | None
    until: float
    stopped: dict[int, bytes] = field(default_factory=dict)
    """The leases that were still there when the time was up, and their tasks."""


class Draining:
    """A part of the service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._callers: list[_Drain] = []

    def drain(self, connection: Connection, ident: int | None, timeout: float) -> object:
        """Close the queue; answered when nothing runs any more, with the ids of the tasks that had to be stopped."""
        service = self._service
        if not service.book.agenda.closed:
            service.book.agenda.closed = True
            service.configuring.note(connection, ACCEPTING, True, False, json.dumps(False))
            log.info("the queue is drained: running tasks have %g s", timeout)
        self._callers.append(_Drain(connection, ident, service.now.mono + timeout))
        return PARKED

    def open(self, connection: Connection, ident: int | None) -> object:
        """Take in and hand out again."""
        service = self._service
        if service.book.agenda.closed:
            service.book.agenda.closed = False
            service.configuring.note(connection, ACCEPTING, False, True)
        return True

    def tick(self) -> None:
        """Answer those who have waited long enough, and see to the end of what they wait for when their time is up."""
        if self._callers:
            self._callers = [each for each in self._callers if not self._is_over(each)]

    def _is_over(self, caller: _Drain) -> bool:
        service = self._service
        if caller.connection.closed:
            return True
        book = service.book
        if not book.leases or not book.agenda.closed:
            back = [task_id for task_id in caller.stopped.values() if task_id in book.agenda.tasks]
            service.reply(caller.connection, caller.ident, RETURN, back)
            return True
        if service.now.mono >= caller.until:
            caller.until = service.now.mono + _AGAIN_SECONDS  # the master asks a broker that is away in vain
            caller.stopped |= {lease.number: lease.entry.id for lease in book.leases.values()}
            workers = {lease.worker for lease in book.leases.values()}
            service.turn.words += [StopRunning(number) for number in workers]
        return False

    @property
    def next_due(self) -> float | None:
        """When :meth:`tick` has something to do."""
        return min(each.until for each in self._callers) if self._callers else None
