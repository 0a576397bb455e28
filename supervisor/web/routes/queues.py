"""Named queues: how they do, and holding them."""

from __future__ import annotations

from supervisor.errors import TaskOptionError
from supervisor.web.answer import Answer
from supervisor.web.figures import Queues
from supervisor.web.operation import Ask, act, get

_LONGEST = 255


class Paused(Answer):
    """Whether a queue, or a schedule, is held."""

    name: str
    paused: bool


async def queues(ask: Ask) -> Answer:
    """All of them."""
    found = (await ask.site.here.observer.live()).overview
    return Queues(queues=found.queues)


async def pause(ask: Ask) -> Answer:
    """Hand out nothing more of it."""
    name = _name(ask)
    await ask.site.backend.acts.apause(name)
    ask.site.here.observer.forget()
    return Paused(name=name, paused=True)


async def resume(ask: Ask) -> Answer:
    """Hand out again."""
    name = _name(ask)
    await ask.site.backend.acts.aresume(name)
    ask.site.here.observer.forget()
    return Paused(name=name, paused=False)


def _name(ask: Ask) -> str:
    name = str(ask.path("name"))
    if not 0 < len(name) <= _LONGEST:
        raise TaskOptionError("queue", name[:50], f"a name of at most {_LONGEST} characters")
    return name


OPERATIONS = (
    get("api/queues", queues, "The named queues.", Queues),
    act("api/queues/{name:path}/pause", pause, "Hand out nothing more of a queue, restarts included.", Paused),
    act("api/queues/{name:path}/resume", resume, "Hand out its tasks again.", Paused),
)
