"""Dead letters: tasks that ended failed, timed out or lost."""

from __future__ import annotations

from msgspec import Struct

from supervisor.web import dead_list
from supervisor.web.answer import Answer
from supervisor.web.dead_list import DeadLetter
from supervisor.web.detail import Detail, detail
from supervisor.web.finding import exact_id, whole_id
from supervisor.web.operation import Ask, act, get
from supervisor.web.routes.bulk import Count
from supervisor.web.routes.tasks import Done
from supervisor.web.wanted import DeadQuery, Text, Time, moment


class DeadLetters(Answer):
    """A page of them, the latest end first."""

    tasks: list[DeadLetter]
    cursor: str | None
    searched_until: float | None


class Which(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which of them; nothing said: all. The times are of the end."""

    name: Text | None = None
    since: Time | None = None
    until: Time | None = None


async def letters(ask: Ask) -> Answer:
    """A page of the list."""
    page = await ask.site.backend.read(dead_list.page, ask.query)
    live = await ask.site.backend.is_live()
    return DeadLetters(live=live, tasks=page.tasks, cursor=page.cursor, searched_until=page.searched_until)


async def one(ask: Ask) -> Answer:
    """All of one."""
    backend = ask.site.backend
    return await detail(backend, await _known(ask, await whole_id(backend, ask.path("id"))))


async def retry_one(ask: Ask) -> Answer:
    """Take one up again."""
    task_id = await _known(ask, exact_id(ask.path("id")))
    return Done(id=task_id, done=await ask.site.backend.acts.aretry(task_id))


async def drop_one(ask: Ask) -> Answer:
    """Delete one for good."""
    task_id = await _known(ask, exact_id(ask.path("id")))
    return Done(id=task_id, done=await ask.site.backend.acts.adrop_dead_letter(task_id))


async def retry_all(ask: Ask) -> Answer:
    """Take up all again that match."""
    name, after, before = _span(ask.body)
    acts = ask.site.backend.acts
    return Count(count=await acts.aretry_dead_letters(name=name, after=after, before=before))


async def drop_all(ask: Ask) -> Answer:
    """Delete all that match."""
    name, after, before = _span(ask.body)
    acts = ask.site.backend.acts
    return Count(count=await acts.adrop_dead_letters(name=name, after=after, before=before))


async def _known(ask: Ask, task_id: str) -> str:
    await ask.site.backend.read(dead_list.check, task_id)
    return task_id


def _span(which: Which) -> tuple[str | None, float | None, float | None]:
    after = None if which.since is None else moment(which.since, 0.0)
    before = None if which.until is None else moment(which.until, 0.0)
    return which.name or None, after, before


OPERATIONS = (
    get("api/dead", letters, "A page of dead letters, the latest end first.", DeadLetters, query=DeadQuery),
    act("api/dead/retry", retry_all, "Take up all again that match.", Count, body=Which),
    act("api/dead/drop", drop_all, "Delete all that match, for good.", Count, body=Which),
    get("api/dead/{id}", one, "All that is known of one.", Detail),
    act("api/dead/{id}/retry", retry_one, "Take one up again.", Done),
    act("api/dead/{id}/drop", drop_one, "Delete one for good.", Done),
)
