"""What callers read about a task. Times are wall-clock seconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from supervisor.core.missed import MissCause
from supervisor.core.plan import Misfire, Overlap, ScheduleRow
from supervisor.ids import to_text
from supervisor.states import Cause, State
from supervisor.wire.messages import AttemptRow, Files, ProgressData, TaskRow


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """Why the last attempt of a task ended otherwise than well."""

    type: str = ""
    """The exception's class, with its module; empty where there was none."""
    message: str = ""
    traceback: str = ""
    stack: str | None = None
    """Where it hung when it was killed, or crashed."""

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.type else self.message


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that a task printed, or a record that it logged, which may have several lines."""

    at: float
    level: str
    """``info`` for what was printed; of a record its level in lower case."""
    message: str
    """Of a record with an exception, its traceback too."""
    logger: str
    """The name of the logger; empty for what was printed."""
    stream: str
    """``log`` for a record; ``stdout`` and ``stderr`` for what Python printed; ``raw`` for what C code and other
    processes wrote to either; ``supervisor`` for its word about lines that were dropped."""
    extra: dict[str, Any]
    """The ``extra`` fields of a record, as plain data."""
    attempt: int
    """The number of the attempt, as in :class:`AttemptRecord`."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task is, by its own word."""

    done: float
    total: float | None = None
    message: str = ""
    rate: float | None = None
    """How much is done in a second, of late; None while that is not known."""
    updated_at: float | None = None
    """When it said so."""

    @property
    def percent(self) -> float | None:
        """0 to 100; None while the total is not known."""
        return min(100.0, 100.0 * self.done / self.total) if self.total else None

    @property
    def remaining(self) -> float | None:
        """Seconds from ``updated_at`` until all is done, at this rate; None while that is not known."""
        if self.total is None:
            return None
        if self.done >= self.total:
            return 0.0
        return (self.total - self.done) / self.rate if self.rate else None

    @property
    def estimated_at(self) -> float | None:
        """When all will be done, at this rate; None while that is not known."""
        left = self.remaining
        return None if left is None or self.updated_at is None else self.updated_at + left


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task, as it is or was."""

    id: str
    name: str
    state: State
    priority: int
    attempt: int
    """The attempt that runs or was the last; attempts that were put back uncounted do not count."""
    created_at: float
    due_at: float | None
    """When it may start, if it waits for that."""
    started_at: float | None
    """When the last attempt started."""
    ended_at: float | None
    worker: int | None
    """The pid of the process that ran it last."""
    timeout: float | None
    """The hard limit chosen for it in seconds; None where the supervisor's setting, or no limit, holds."""
    cause: Cause | None
    """Why the last attempt that did not succeed ended."""
    error: ErrorInfo | None
    output: str
    """What the last attempt printed."""
    progress: Progress | None
    """How far the last attempt said it was."""
    retried: int = 0
    """How often it was taken up again after it had ended."""
    result: Any = None
    """What it returned; read by ``get_result`` and ``wait`` only."""
    result_expired: bool = False
    """Whether it succeeded, and what it returned was kept and is not any more; told by the same."""
    context: dict[str, Any] = field(default_factory=dict)
    """What was put into its context."""
    parents: tuple[str, ...] = ()
    """The ids of the tasks that it waits for, or has waited for."""
    queue: str = "default"
    """The named queue that it is in."""
    soft_timeout: float | None = None
    """The soft limit chosen for it in seconds; None where the supervisor's setting, or no limit, holds."""

    @property
    def status(self) -> State:
        """The state, by its other name."""
        return self.state

    @property
    def completed_at(self) -> float | None:
        """``ended_at``, by its other name."""
        return self.ended_at


@dataclass(frozen=True, slots=True)
class Profile:
    """What an attempt took. Of one that was killed, what was known shortly before."""

    cpu_seconds: float
    """Of its process, and of children that it waited for."""
    peak_rss: int
    """Most bytes that its process had in memory."""
    text: str
    """The functions that took the most time, in all their calls; empty for an attempt that was killed."""


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One attempt of a task that has ended."""

    number: int
    """1 for the first; begins anew when the task is taken up again. 0 for what became of an error handler, and of a
    task that ended without an attempt."""
    started_at: float
    ended_at: float
    worker: int | None
    """The pid of the process that ran it."""
    cause: Cause | None
    """Why it did not succeed; None when it did."""
    error: ErrorInfo | None
    output: str
    """What it printed."""
    progress: Progress | None = None
    """How far it said it was."""
    profile: Profile | None = None
    """What it took, where that was asked for."""


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """How far a task is, and where it is in its life."""

    id: str
    name: str
    state: State
    attempt: int
    percent: float | None
    """0 to 100, by its own word, and 100 for one that succeeded; None while that is not known."""
    message: str
    done: float | None
    total: float | None
    rate: float | None
    """How much is done in a second, of late."""
    created_at: float
    due_at: float | None
    started_at: float | None
    updated_at: float | None
    """When it last told its progress."""
    ended_at: float | None
    estimated_completion: float | None
    """When it will be done, at this rate; None where that is not known, and for one that does not run."""
    cause: Cause | None
    """Why the last attempt that did not succeed ended."""
    context: dict[str, Any]


def progress_of(record: TaskRecord) -> TaskProgress:
    """The part of a record that is about progress."""
    told = record.progress or Progress(0.0)
    known = record.progress is not None
    return TaskProgress(
        id=record.id,
        name=record.name,
        state=record.state,
        attempt=record.attempt,
        percent=100.0 if record.state is State.SUCCEEDED else told.percent,
        message=told.message,
        done=told.done if known else None,
        total=told.total,
        rate=told.rate,
        created_at=record.created_at,
        due_at=record.due_at,
        started_at=record.started_at,
        updated_at=told.updated_at,
        ended_at=record.ended_at,
        estimated_completion=told.estimated_at if record.state is State.RUNNING else None,
        cause=record.cause,
        context=record.context,
    )


def attempt_of(row: AttemptRow) -> AttemptRecord:
    """The record behind a row that the broker sent."""
    error = ErrorInfo(row.error.type, row.error.message, row.error.traceback, row.stack) if row.cause else None
    cause = Cause(row.cause) if row.cause else None
    profile = Profile(row.profile.cpu, row.profile.rss, row.profile.text) if row.profile else None
    told = _progress(row.progress)
    return AttemptRecord(
        row.number, row.started_at, row.ended_at, row.worker or None, cause, error, row.output, told, profile
    )


def record_of(row: TaskRow, result: object = None, *, result_expired: bool = False) -> TaskRecord:
    """The record behind a row that the broker sent."""
    error = None
    if row.error is not None:
        error = ErrorInfo(row.error.type, row.error.message, row.error.traceback, row.stack)
    timeout, soft = row.options.timeout, row.options.soft_timeout
    return TaskRecord(
        id=to_text(row.id),
        name=row.name,
        state=State(row.state),
        priority=row.priority,
        attempt=row.attempt,
        created_at=row.created_at,
        due_at=row.due_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        worker=row.worker,
        timeout=timeout if isinstance(timeout, float) else None,
        cause=Cause(row.cause) if row.cause else None,
        error=error,
        output=row.output,
        progress=_progress(row.progress),
        retried=row.retried,
        result=result,
        result_expired=result_expired,
        context=msgspec.json.decode(row.context) if row.context else {},
        parents=tuple(map(to_text, row.parents)),
        queue=row.options.queue,
        soft_timeout=soft if isinstance(soft, float) else None,
    )


def _progress(told: ProgressData | None) -> Progress | None:
    return Progress(told.done, told.total, told.message, told.rate, told.at or None) if told else None


def result_in_file(row: TaskRow) -> bool:
    """Whether the result lies in a file of its own."""
    return bool(row.files & Files.RESULT)


@dataclass(frozen=True, slots=True)
class ScheduleRecord:
    """A schedule, as it is. Durations are seconds."""

    name: str
    task: str
    """The name of the task that it runs."""
    cron: str | None
    every: float | None
    """The time between two firings, where there is no expression."""
    zone: str
    start: float | None
    """Before this it does not fire."""
    stop: float | None
    """After this it does not fire."""
    misfire: Misfire
    grace: float | None
    """How late a slot may be run; None for any time."""
    overlap: Overlap
    declared: bool
    """Whether the code declares it; else it was added."""
    paused: bool
    next_at: float | None
    """When it fires next; None for never, or while it is paused."""
    last_at: float | None
    """The slot that was run last."""
    last_task: str | None
    """The id of the task that was submitted last, by a slot or by hand."""
    missed: int
    """Slots that passed without a task of their own, since it was first seen with these times; not those of a pause."""
    missed_at_least: bool
    """There were more than ``missed``: of an expression, not more than 1,000 are counted at a time."""
    last_missed_at: float | None
    """The last slot that was missed."""
    last_missed_cause: MissCause | None
    """Why it was."""


def schedule_of(row: ScheduleRow) -> ScheduleRecord:
    """The record behind a row that the broker sent."""
    timing = row.timing
    return ScheduleRecord(
        name=row.name,
        task=row.task,
        cron=timing.cron or None,
        every=_seconds(timing.every or None),
        zone=timing.zone,
        start=_seconds(row.start),
        stop=_seconds(row.stop),
        misfire=row.misfire,
        grace=_seconds(row.grace),
        overlap=row.overlap,
        declared=row.declared,
        paused=row.paused,
        next_at=_seconds(row.next_slot),
        last_at=_seconds(row.last_slot),
        last_task=to_text(row.last_task) if row.last_task else None,
        missed=row.missed.count,
        missed_at_least=row.missed.at_least,
        last_missed_at=_seconds(row.missed.last),
        last_missed_cause=row.missed.cause,
    )


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
