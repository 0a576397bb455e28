"""How all of it does: figures, the live stream of them, numbers by queue and type."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated

from msgspec import Meta, Struct
from starlette.responses import Response

from supervisor.queue_stats import Figures, Times
from supervisor.web.answer import Answer
from supervisor.web.figures import Overview
from supervisor.web.operation import Ask, get
from supervisor.web.sse import stays_open
from supervisor.web.wanted import Text


class StatsQuery(Struct, frozen=True):
    """Whose numbers."""

    task_type: Annotated[str, Meta(max_length=255, description='A name, or a pattern such as "shop.*".')] = ""
    queue: Text = ""


class Pending(Struct, kw_only=True):
    """The numbers of one queue, or one task type; ``pending`` is all that waits."""

    pending: int
    depth: int
    delayed: int
    running: int
    oldest_age: float | None
    last_claim_age: float | None
    succeeded: int
    failed: int
    executed: int
    throughput: float
    error_rate: float
    wait: Times
    run: Times


class Stats(Answer):
    """The queue's numbers."""

    pending: int
    queues: dict[str, Pending]
    task_types: dict[str, Pending]
    unfinished: dict[str, int]


async def overview(ask: Ask) -> Answer:
    """The figures of this moment."""
    return (await ask.site.here.observer.look()).overview


async def events(ask: Ask) -> Response:
    """The same, again and again."""
    here = ask.site.here
    return here.streams.answer(here.overview.events(stay=stays_open(ask.request)))


async def stats(ask: Ask) -> Answer:
    """Pending by queue and by type."""
    query: StatsQuery = ask.query
    found = (await ask.site.here.observer.live()).overview
    queues = {each.name: _pending(each.figures) for each in found.queues if query.queue in ("", each.name)}
    types = {
        each.name: _pending(each.figures)
        for each in found.tasks
        if not query.task_type or fnmatchcase(each.name, query.task_type)
    }
    counted = types if query.task_type else queues
    pending = sum(each.pending for each in counted.values())
    return Stats(pending=pending, queues=queues, task_types=types, unfinished=found.unfinished)


def _pending(figures: Figures) -> Pending:
    values = {name: getattr(figures, name) for name in Pending.__struct_fields__ if name != "pending"}
    return Pending(pending=figures.depth + figures.delayed, **values)


OPERATIONS = (
    get("api/overview", overview, "Figures of all, of queues and of task types, a second old at most.", Overview),
    get("api/events", events, "The live overview as server-sent events.", media_type="text/event-stream"),
    get("api/stats", stats, "What is pending by queue and by task type.", Stats, query=StatsQuery),
)
