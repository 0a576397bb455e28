"""Named queues: how they do, and holding them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from supervisor.errors import TaskOptionError
from supervisor.web.answer import Answer
from supervisor.web.figures import Queues
from supervisor.web.operation import Ask, act, get

_LONGEST = 255


class Paused(Answer):
    """Whether a queue, or a schedule, is held."""

    name: str
    paused: bool


class Weight(Struct, forbid_unknown_fields=True):
    """How many turns a queue has where one of weight 1 has one."""

    weight: Annotated[float, Meta(gt=0, le=1000)]


class Weighed(Answer):
    """The turns that a queue has now."""

    name: str
    weight: float


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


async def weigh(ask: Ask) -> Answer:
    """Give it more turns, or fewer."""
    name = _name(ask)
    await ask.site.backend.acts.aset_weight(name, ask.body.weight)
    ask.site.here.observer.forget()
    return Weighed(name=name, weight=ask.body.weight)


def _name(ask: Ask) -> str:
    name = str(ask.path("name"))
    if not 0 < len(name) <= _LONGEST:
        raise TaskOptionError("queue", name[:50], f"a name of at most {_LONGEST} characters")
    return name


OPERATIONS = (
    get("api/queues", queues, "The named queues.", Queues),
    act("api/queues/{name:path}/pause", pause, "Hand out nothing more of a queue, restarts included.", Paused),
    act("api/queues/{name:path}/resume", resume, "Hand out its tasks again.", Paused),
    act("api/queues/{name:path}/weight", weigh, "Give a queue more turns, or fewer.", Weighed, body=Weight),
)
