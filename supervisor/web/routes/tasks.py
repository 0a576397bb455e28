"""Tasks: the list, one of them with what it said, and what is done to one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from sse_starlette import ServerSentEvent
from starlette.responses import Response

from supervisor.client.following import lines_of
from supervisor.errors import TaskOptionError, UnknownTaskError
from supervisor.journal.history import History, TaskLine
from supervisor.records import LogLine, TaskProgress, progress_of
from supervisor.web.answer import Answer
from supervisor.web.detail import Detail, detail
from supervisor.web.feed import Line, line_of, progress_json
from supervisor.web.finding import exact_id, whole_id
from supervisor.web.graph import Graph, graph
from supervisor.web.listing import scan
from supervisor.web.operation import Ask, act, get
from supervisor.web.sse import event, last_seen, stays_open
from supervisor.web.wanted import TaskQuery, filter_of, seq_of


class Tasks(Answer):
    """A page of tasks, the latest first."""

    tasks: list[TaskLine]
    cursor: str | None
    searched_until: float | None


class NewTask(Struct, forbid_unknown_fields=True):
    """What is to be submitted."""

    name: Annotated[str, Meta(min_length=1, max_length=255)]
    args: dict[str, Any] = msgspec.field(default_factory=dict)
    queue: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    priority: Annotated[int, Meta(ge=-1000, le=1000)] | None = None
    delay: Annotated[float, Meta(ge=0, le=1e9)] = 0.0


class NewPriority(Struct, forbid_unknown_fields=True):
    """Its place among those that wait; larger goes first."""

    priority: Annotated[int, Meta(ge=-1000, le=1000)]


class Submitted(Answer):
    """The id of a new task."""

    id: str


class Done(Answer):
    """Whether something was done to a task."""

    id: str
    done: bool


class LogQuery(Struct, frozen=True):
    """Whose lines."""

    attempt: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None


class Logs(Answer):
    """What a task said."""

    ended: bool
    lines: list[Line]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressTold(TaskProgress):
    """How far a task is."""

    live: bool = True


async def tasks(ask: Ask) -> Answer:
    """A page of the list."""
    query: TaskQuery = ask.query
    page = await ask.site.backend.read(scan, filter_of(query), seq_of(query.cursor), query.limit)
    cursor = None if page.before is None else str(page.before)
    live = await ask.site.backend.is_live()
    return Tasks(live=live, tasks=page.tasks, cursor=cursor, searched_until=page.searched_until)


async def submit(ask: Ask) -> Answer:
    """Submit by name."""
    new: NewTask = ask.body
    options: dict[str, Any] = {}
    if new.queue is not None:
        options["queue"] = new.queue
    if new.priority is not None:
        options["priority"] = new.priority
    try:
        task_id = await ask.site.backend.acts.aenqueue(new.name, new.args, delay_seconds=new.delay, **options)
    except TypeError as error:
        raise TaskOptionError("args", new.args, str(error)) from error
    return Submitted(id=task_id)


async def one(ask: Ask) -> Answer:
    """All of one task."""
    return await detail(ask.site.backend, ask.path("id"))


async def relatives(ask: Ask) -> Answer:
    """Its parents and children."""
    backend = ask.site.backend
    found = await backend.read(graph, await whole_id(backend, ask.path("id")))
    found.live = await backend.is_live()
    return found


async def logs(ask: Ask) -> Answer:
    """What it has said."""
    backend, attempt = ask.site.backend, ask.query.attempt
    task_id = await whole_id(backend, ask.path("id"))
    found = await backend.look_if_live(lambda queue: queue.alogs(task_id))
    progress = await backend.look_if_live(lambda queue: queue.aget_progress(task_id))
    if found is not None and progress is not None:
        return Logs(ended=progress.state.ended, lines=_lines(found, attempt))
    ended, said = await backend.read(_said, task_id)
    return Logs(live=False, ended=ended, lines=_lines(said, attempt))


def _said(history: History, task_id: str) -> tuple[bool, list[LogLine]]:
    return history.task(task_id).state.ended, list(lines_of(task_id, history.said(task_id)))


def _lines(found: list[LogLine], attempt: int | None) -> list[Line]:
    return [line_of(number, line) for number, line in enumerate(found) if attempt in (None, line.attempt)]


async def follow_logs(ask: Ask) -> Response:
    """What it says, as it comes."""
    task_id = await _known(ask)
    if not stays_open(ask.request):
        return ask.site.here.streams.answer(_logs_once(ask, task_id))
    return ask.site.here.streams.answer(_logs(ask, task_id))


async def _logs(ask: Ask, task_id: str) -> AsyncGenerator[ServerSentEvent]:
    with ask.site.here.logs.shared(task_id) as feed:
        async for each in feed.events(last_seen(ask.request), ask.query.attempt):
            yield each


async def _logs_once(ask: Ask, task_id: str) -> AsyncGenerator[ServerSentEvent]:
    found = await logs(ask)
    assert isinstance(found, Logs)
    seen = last_seen(ask.request)
    for line in found.lines:
        if line.number > seen:
            yield event("line", msgspec.json.encode(line), line.number)
    if found.ended:
        yield event("end", b'{"ended":true}')


async def progress(ask: Ask) -> Response:
    """How far it is."""
    live, found = await _progress(ask, await whole_id(ask.site.backend, ask.path("id")))
    return Response(progress_json(found, live=live), media_type="application/json")


async def follow_progress(ask: Ask) -> Response:
    """How far it is, as it goes on."""
    task_id = await _known(ask)
    if not stays_open(ask.request):
        return ask.site.here.streams.answer(_progress_once(ask, task_id))
    return ask.site.here.streams.answer(_progress_events(ask, task_id))


async def _progress_events(ask: Ask, task_id: str) -> AsyncGenerator[ServerSentEvent]:
    with ask.site.here.progress.shared(task_id) as feed:
        async for each in feed.events():
            yield each


async def _progress_once(ask: Ask, task_id: str) -> AsyncGenerator[ServerSentEvent]:
    live, found = await _progress(ask, task_id)
    yield event("progress", progress_json(found, live=live))
    if found.state.ended:
        yield event("end", progress_json(found, live=live))


async def _progress(ask: Ask, task_id: str) -> tuple[bool, TaskProgress]:
    backend = ask.site.backend
    found = await backend.look_if_live(lambda queue: queue.aget_progress(task_id))
    if found is not None:
        return True, found
    if await backend.is_live():
        raise UnknownTaskError(task_id)
    return False, progress_of(await backend.read(History.task, task_id))


async def _known(ask: Ask) -> str:
    """The id of a task that the supervisor knows, before a stream about it begins."""
    task_id = await whole_id(ask.site.backend, ask.path("id"))
    if await ask.site.backend.look(lambda queue: queue.aget_progress(task_id)) is None:
        raise UnknownTaskError(task_id)
    return task_id


async def cancel(ask: Ask) -> Answer:
    """Remove what waits, stop what runs."""
    task_id = exact_id(ask.path("id"))
    return Done(id=task_id, done=await ask.site.backend.acts.acancel(task_id))


async def retry(ask: Ask) -> Answer:
    """Take up again what has ended."""
    task_id = exact_id(ask.path("id"))
    return Done(id=task_id, done=await ask.site.backend.acts.aretry(task_id))


def _name_of(body: NewTask) -> str:
    """Not the arguments, some of which may be hidden."""
    return body.name


async def prioritise(ask: Ask) -> Answer:
    """Give what has not started another place."""
    task_id = exact_id(ask.path("id"))
    return Done(id=task_id, done=await ask.site.backend.acts.aset_priority(task_id, ask.body.priority))


_STREAM = "text/event-stream"
OPERATIONS = (
    get("api/tasks", tasks, "A page of tasks, the latest first.", Tasks, query=TaskQuery),
    act(
        "api/tasks",
        submit,
        "Submit what is registered under a name.",
        Submitted,
        body=NewTask,
        status=201,
        audited=_name_of,
    ),
    get("api/tasks/{id}", one, "All that is known of a task.", Detail),
    get("api/tasks/{id}/graph", relatives, "What it waits for, and what waits for it.", Graph),
    get("api/tasks/{id}/logs", logs, "What it has printed and logged.", Logs, query=LogQuery),
    get("api/tasks/{id}/logs/events", follow_logs, "The same as it comes.", query=LogQuery, media_type=_STREAM),
    get("api/tasks/{id}/progress", progress, "How far it is.", ProgressTold),
    get("api/tasks/{id}/progress/events", follow_progress, "The same as it goes on.", media_type=_STREAM),
    act("api/tasks/{id}/cancel", cancel, "Remove what waits, stop what runs.", Done),
    act("api/tasks/{id}/retry", retry, "Take up again what has ended.", Done),
    act("api/tasks/{id}/priority", prioritise, "Give what waits another priority.", Done, body=NewPriority),
)
