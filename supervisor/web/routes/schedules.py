"""Schedules: which there are, holding them, running one now."""

from __future__ import annotations

from supervisor.records import ScheduleRecord
from supervisor.web.answer import Answer
from supervisor.web.operation import Ask, act, get
from supervisor.web.routes.queues import Paused


class Schedules(Answer):
    """All of them, by name."""

    schedules: list[ScheduleRecord]


class Ran(Answer):
    """The task that a schedule was made to submit."""

    name: str
    id: str


async def schedules(ask: Ask) -> Answer:
    """All of them."""
    return Schedules(schedules=await ask.site.backend.look(lambda queue: queue.aschedules()))


async def pause(ask: Ask) -> Answer:
    """Have it fire no more."""
    name = str(ask.path("name"))
    await ask.site.backend.acts.apause_schedule(name)
    return Paused(name=name, paused=True)


async def resume(ask: Ask) -> Answer:
    """Have it fire again."""
    name = str(ask.path("name"))
    await ask.site.backend.acts.aresume_schedule(name)
    return Paused(name=name, paused=False)


async def run(ask: Ask) -> Answer:
    """Submit its task now."""
    name = str(ask.path("name"))
    return Ran(name=name, id=await ask.site.backend.acts.arun_schedule(name))


OPERATIONS = (
    get("api/schedules", schedules, "What runs by the clock.", Schedules),
    act("api/schedules/{name:path}/pause", pause, "Have a schedule fire no more, restarts included.", Paused),
    act("api/schedules/{name:path}/resume", resume, "Have it fire again, from now on.", Paused),
    act("api/schedules/{name:path}/run", run, "Submit its task now.", Ran),
)
