"""What a task's parents hand on to it: fetched by the worker itself, when the task is about to run."""

from __future__ import annotations

from collections.abc import Callable

from supervisor.client import calls
from supervisor.client.calls import Call
from supervisor.client.manager import QueueProxy
from supervisor.client.wait import raise_for_end
from supervisor.directory import Directory
from supervisor.errors import QueueUnavailableError, ResultExpiredError, SupervisorError, UnknownTaskError
from supervisor.handle import returned
from supervisor.ids import to_text
from supervisor.packer import Packer
from supervisor.records import TaskRecord
from supervisor.settings import Settings
from supervisor.wire.info import Info
from supervisor.wire.messages import Grant, MemberSlice, Takes, TaskRow

_CALL_SECONDS = 5.0


class Handed:
    """Over a connection of its own: the worker's link is not listened to while it has several tasks.

    ``perform`` makes the calls; by default over the socket.
    """

    def __init__(self, settings: Settings, perform: Callable[[Call[MemberSlice]], MemberSlice] | None = None) -> None:
        directory = Directory(settings.dir)
        terms = Info(settings.payloads, settings.inline_limit, settings.payload_limit)
        self._packer = Packer(directory, terms)
        self._perform = perform or QueueProxy(directory, _CALL_SECONDS).perform

    def arguments(self, grant: Grant) -> tuple[object, ...]:
        """What comes before the task's own arguments. Raises ResultExpiredError, UnknownTaskError."""
        outcomes = [self._outcome(grant, row) for row in self._rows(grant.id)]
        return (outcomes,) if grant.extra is not None and grant.extra.takes == Takes.RESULTS else tuple(outcomes)

    def _rows(self, task_id: bytes) -> list[TaskRow | None]:
        found: list[TaskRow | None] = []
        while True:
            try:
                part = self._perform(calls.handed(task_id, len(found), _CALL_SECONDS))
            except QueueUnavailableError:
                continue  # the broker is being replaced; how long we may wait is the hard limit's business
            found += part.rows
            if len(found) >= part.total:
                return found

    def _outcome(self, grant: Grant, row: TaskRow | None) -> object:
        """What a parent returned; where it ended otherwise, and the task runs all the same, the error in its place."""
        if row is None:
            raise UnknownTaskError(f"that task {to_text(grant.id)} is to be given the result of")
        record = self._packer.record(row)
        try:
            return _value(record)
        except ResultExpiredError:
            raise
        except SupervisorError as error:
            return error


def _value(record: TaskRecord) -> object:
    return returned(raise_for_end(record))
