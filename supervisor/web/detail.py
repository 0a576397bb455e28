"""All that is known of one task."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from supervisor.cli.text import duration
from supervisor.errors import QueueUnavailableError, SupervisorError, UnknownTaskError
from supervisor.ids import id_of
from supervisor.journal.history import History
from supervisor.payload_files import RESULT, path_of
from supervisor.records import AttemptRecord, ErrorInfo, Progress, TaskRecord
from supervisor.states import Cause, State
from supervisor.taskqueue import TaskQueue
from supervisor.web.answer import Answer
from supervisor.web.backend import Backend
from supervisor.web.finding import whole_id

_LARGEST = 256 * 1024
"""Bytes of a result, or of arguments, that are shown."""
_LONGEST_TEXT = 20_000


class ProgressAnswer(Struct):
    """How far a task is, by its own word."""

    done: float
    total: float | None
    percent: float | None
    message: str
    rate: float | None
    remaining: float | None
    updated_at: float | None
    estimated_at: float | None


class TaskAnswer(Struct, kw_only=True):
    """A task."""

    id: str
    name: str
    state: State
    priority: int
    attempt: int
    created_at: float
    due_at: float | None
    started_at: float | None
    ended_at: float | None
    worker: int | None
    timeout: float | None
    soft_timeout: float | None
    cause: Cause | None
    error: ErrorInfo | None
    output: str
    retried: int
    context: dict[str, Any]
    parents: tuple[str, ...]
    progress: ProgressAnswer | None


class Result(Struct, kw_only=True):
    """What it returned."""

    present: bool = False
    expired: bool = False
    value: Any = None
    text: str = ""
    note: str = ""


class Event(Struct):
    """Something that befell it."""

    at: float
    event: str
    attempt: int | None
    text: str


class Detail(Answer):
    """All of it."""

    task: TaskAnswer
    result: Result
    arguments: Any
    arguments_note: str
    attempts: list[AttemptRecord]
    timeline: list[Event]


async def detail(backend: Backend, written: str) -> Detail:
    """All that is known: of what runs by its supervisor, else by the journal. Raises UnknownTaskError."""
    task_id = await whole_id(backend, written)
    try:
        found = await backend.look(lambda queue: queue.aget_task(task_id))
    except QueueUnavailableError:
        return await _without_supervisor(backend, task_id)
    if found is None:
        raise UnknownTaskError(task_id)
    attempts = await backend.acts.aattempts(task_id)
    result = await backend.in_thread(lambda: _shown(lambda: _result(backend, task_id), found))
    arguments = await backend.in_thread(lambda: _arguments(backend.acts, task_id))
    return _put_together(found, attempts, result, arguments, live=True)


async def _without_supervisor(backend: Backend, task_id: str) -> Detail:
    record, attempts = await backend.read(_from_journal, task_id)
    away = "it is shown while the supervisor runs"
    result = Result(present=record.state is State.SUCCEEDED, note=away if record.state is State.SUCCEEDED else "")
    return _put_together(record, attempts, result, (None, away), live=False)


def _from_journal(history: History, task_id: str) -> tuple[TaskRecord, list[AttemptRecord]]:
    return history.task(task_id), history.attempts(task_id)


def _put_together(
    record: TaskRecord, attempts: list[AttemptRecord], result: Result, arguments: tuple[Any, str], *, live: bool
) -> Detail:
    return Detail(
        live=live,
        task=task_of(record),
        result=result,
        arguments=arguments[0],
        arguments_note=arguments[1],
        attempts=attempts,
        timeline=list(timeline(record, attempts)),
    )


def task_of(record: TaskRecord) -> TaskAnswer:
    """A record as it is told."""
    values = {name: getattr(record, name) for name in TaskAnswer.__struct_fields__ if name != "progress"}
    return TaskAnswer(**values, progress=_progress(record.progress))


def _progress(told: Progress | None) -> ProgressAnswer | None:
    if told is None:
        return None
    return ProgressAnswer(**{name: getattr(told, name) for name in ProgressAnswer.__struct_fields__})


def _result(backend: Backend, task_id: str) -> TaskRecord | None:
    return backend.acts.get_result(task_id) if _is_small(backend, task_id) else None


def _is_small(backend: Backend, task_id: str) -> bool:
    try:
        return path_of(backend.directory, id_of(task_id), RESULT).stat().st_size <= _LARGEST
    except OSError:
        return True  # it is no file


def _shown(read: Callable[[], TaskRecord | None], record: TaskRecord) -> Result:
    """What a task returned, in whatever way it can be shown."""
    if record.state is not State.SUCCEEDED:
        return Result()
    try:
        found = read()
    except (SupervisorError, MemoryError) as error:
        return Result(present=True, note=str(error))
    except Exception as error:  # noqa: BLE001  unpickling runs code of the application, which may not be here
        return Result(present=True, note=f"it cannot be opened here: {type(error).__name__}: {error}")
    if found is None:
        return Result(present=True, note=f"it is over {_LARGEST:,} bytes")
    if found.result_expired:
        return Result(expired=True, note="it has expired")
    value, text = _plain(found.result)
    return Result(present=True, value=value, text=text)


def _arguments(queue: TaskQueue, task_id: str) -> tuple[Any, str]:
    try:
        value, text = _plain(queue.get_arguments(task_id))
    except (SupervisorError, MemoryError) as error:
        return None, str(error)
    except Exception as error:  # noqa: BLE001  as above
        return None, f"they cannot be opened here: {type(error).__name__}: {error}"
    return (value, "") if not text else (text, "")


def _plain(value: object) -> tuple[Any, str]:
    """A value as JSON, or else as text."""
    try:
        data = msgspec.json.encode(value)
        if len(data) <= _LARGEST:
            return msgspec.Raw(data), ""
    except (TypeError, ValueError, RecursionError, OverflowError):
        data = b""
    try:
        return None, repr(value)[:_LONGEST_TEXT]
    except Exception as error:  # noqa: BLE001  a __repr__ of the application
        return None, f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"


def timeline(record: TaskRecord, attempts: list[AttemptRecord]) -> Iterator[Event]:
    """What befell it, in order."""
    yield Event(record.created_at, "submitted", None, "submitted")
    for attempt in attempts:
        if attempt.number:
            yield Event(
                attempt.started_at,
                "started",
                attempt.number,
                f"attempt {attempt.number} in process {attempt.worker or '-'}",
            )
        yield Event(attempt.ended_at, "attempt_ended", attempt.number or None, _end_of(attempt))
    if record.state is State.RUNNING and record.started_at is not None:
        text = f"attempt {record.attempt} runs in process {record.worker or '-'}"
        yield Event(record.started_at, "running", record.attempt, text)
    if record.state in (State.SCHEDULED, State.RETRYING) and record.due_at is not None:
        when = "due" if record.due_at > time.time() else "due since then"
        yield Event(record.due_at, "due", None, when)
    if record.ended_at is not None:
        yield Event(record.ended_at, "ended", None, str(record.state))


def _end_of(attempt: AttemptRecord) -> str:
    spent = duration(max(0.0, attempt.ended_at - attempt.started_at))
    if attempt.cause is None:
        return f"returned after {spent}"
    said = f": {attempt.error}".splitlines()[0] if attempt.error is not None else ""
    return f"{attempt.cause} after {spent}{said}"
