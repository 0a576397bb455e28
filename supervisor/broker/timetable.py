"""The calls about schedules, and the desk at which they hand in what is due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.broker.connection import Connection
from supervisor.core.plan import Plan
from supervisor.core.schedules import Schedule, Schedules
from supervisor.errors import (
    QueueClosedError,
    QueueFullError,
    ScheduleDeclaredError,
    ScheduleError,
    UnknownScheduleError,
)
from supervisor.log import log
from supervisor.settings.nearest import nearest
from supervisor.wire.messages import Submission
from supervisor.wire.remote import RemoteError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from supervisor.broker.service import Service


class Timetable:
    """A part of the service. What it changes goes into the same transaction as the tasks that it submits."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._schedules = Schedules()
        self._told = False
        """The code was heard of."""

    def restore(self, schedules: Iterable[Schedule]) -> None:
        """Take in what the journal knows. One that cannot be followed here any more stays in it, and rests."""
        for schedule in schedules:
            if schedule.plan is None or not _fault(schedule.plan):
                self._schedules.restore(schedule)

    def declare(self, plans: Iterable[Plan], generation: int) -> None:
        """The code of this generation declares these schedules, and no others."""
        self._told = True
        usable = [plan for plan in plans if not _fault(plan)]
        self._schedules.declare(usable, generation, self._service.now)

    def tick(self) -> None:
        """Submit what is due, and have the journal know how far each schedule has come."""
        self._schedules.tick(self._service.now, self)
        if self._schedules.changes:
            self._service.book.agenda.changes.schedules |= self._schedules.take_changes()

    def next_due(self) -> float | None:
        """The monotonic time of the next :meth:`tick` that can change anything."""
        return self._schedules.next_due(self._service.now)

    # -- the desk ----------------------------------------------------------------------------------------------

    def submit(self, submission: Submission) -> bytes | None:
        """Take a task in; None where it has to wait: for room, or for the next life of a supervisor that is ending.

        Empty where no worker would run it: the function of a schedule that was added is no longer registered, say.
        """
        if self._service.book.draining:
            return None
        try:
            return self._service.intake.accept([submission])[0]
        except RemoteError as error:
            if issubclass(error.kind, QueueFullError | QueueClosedError):
                return None
            log.error("a schedule's task is refused: %s", error.kind(*error.arguments))
            return b""

    def unfinished(self, task_id: bytes) -> bool:
        """Whether this task has not ended."""
        return task_id in self._service.book.agenda.tasks

    def say(self, sentence: str) -> None:
        """Log it."""
        log.info("%s", sentence)

    # -- calls -------------------------------------------------------------------------------------------------

    def rows(self, connection: Connection, ident: int | None) -> object:
        """All of them; None while nobody can know of those of the code."""
        return self._schedules.rows() if self._told else None

    def pause(self, connection: Connection, ident: int | None, name: str, paused: bool) -> object:
        """Fire no more, or again. (None while nobody can know whether there is such a schedule.)"""
        if name not in self._schedules:
            return self._refuse(name)
        if paused:
            self._schedules.pause(name, self._service.now)
        else:
            self._schedules.resume(name, self._service.now)
        return True

    def run(self, connection: Connection, ident: int | None, name: str, task_id: bytes) -> object:
        """Run it now, under this id, which makes a repeated call harmless."""
        submission = self._schedules.submission(name, task_id)
        if submission is None:
            return self._refuse(name)
        found = self._service.intake.accept([submission])[0]
        self._schedules.ran(name, found)
        return found

    def add(self, connection: Connection, ident: int | None, plan: Plan) -> object:
        """A client adds a schedule, or changes one."""
        fault = _fault(plan)
        if fault:
            raise RemoteError(ScheduleError, plan.name, fault)
        self._service.admission.check(plan.task)
        if not self._schedules.add(plan, plan.task.generation, self._service.now):
            raise RemoteError(ScheduleDeclaredError, plan.name)
        return True

    def remove(self, connection: Connection, ident: int | None, name: str, again: bool) -> object:
        """A client drops one that a client added; maybe with an earlier try, the answer of which was lost."""
        if name not in self._schedules:
            if again:
                return True
            raise self._missing(name)
        if not self._schedules.remove(name):
            raise RemoteError(ScheduleDeclaredError, name)
        return True

    def _refuse(self, name: str) -> object:
        """Unknown; None while nobody can know."""
        if self._told:
            raise self._missing(name)
        return None

    def _missing(self, name: str) -> RemoteError:
        return RemoteError(UnknownScheduleError, name, nearest(name, self._schedules.names()))


def _fault(plan: Plan) -> str:
    """Why this one cannot be followed here; it was read well where it was declared."""
    fault = plan.timing.fault()
    if fault:
        log.error("schedule %s does not fire: %s", plan.name, fault)
    return fault
