"""Workers: what each runs, why others died, and replacing one, asking where it is, stopping what it runs."""

from __future__ import annotations

from supervisor.cli import master
from supervisor.cli.master import NoWorkerError
from supervisor.web import deaths
from supervisor.web.answer import Answer
from supervisor.web.deaths import Death
from supervisor.web.figures import Workers
from supervisor.web.operation import Ask, act, get
from supervisor.web.problems import ProblemError
from supervisor.web.routes.tasks import Done
from supervisor.web.wanted import PageQuery, seq_of

_MOST_PID = 1 << 22
"""Linux knows none above."""


class WorkerHistory(Answer):
    """Why workers died, and how often they were replaced."""

    deaths: list[Death]
    counts: dict[str, int]
    recycled: dict[str, int]
    cursor: str | None
    searched_until: float | None


class Asked(Answer):
    """The workers that will be replaced."""

    pids: list[int]


class Stack(Answer):
    """Where a worker is."""

    pid: int
    stack: str


async def workers(ask: Ask) -> Answer:
    """All of them."""
    return (await ask.site.here.observer.live()).workers


async def history(ask: Ask) -> Answer:
    """Why workers died."""
    query: PageQuery = ask.query
    page = await ask.site.backend.read(deaths.page, seq_of(query.cursor), query.limit)
    overview = (await ask.site.here.observer.look()).overview
    return WorkerHistory(
        live=overview.live,
        deaths=page.deaths,
        counts=page.counts,
        recycled=overview.restarts.recycled,
        cursor=None if page.before is None else str(page.before),
        searched_until=page.searched_until,
    )


async def recycle(ask: Ask) -> Answer:
    """Another one in its place."""
    pid = _pid(ask)
    directory = ask.site.directory
    return Asked(pids=await ask.site.backend.in_thread(lambda: master.recycle(directory, pid)))


async def stack(ask: Ask) -> Answer:
    """Where it is."""
    pid = _pid(ask)
    directory = ask.site.directory
    return Stack(pid=pid, stack=await ask.site.backend.in_thread(lambda: master.stack(directory, pid)))


async def cancel(ask: Ask) -> Answer:
    """Stop what it runs."""
    pid = _pid(ask)
    found = await ask.site.backend.acts.aworkers()
    worker = next((each for each in found if each.pid == pid), None)
    if worker is None:
        raise NoWorkerError(pid, "there is no such worker")
    if worker.task_id is None:
        raise ProblemError(409, f"worker {pid} runs nothing now", "idle")
    return Done(id=worker.task_id, done=await ask.site.backend.acts.acancel(worker.task_id))


def _pid(ask: Ask) -> int:
    pid = int(ask.path("pid"))
    if pid > _MOST_PID:
        raise NoWorkerError(pid, "there is no such worker")
    return pid


OPERATIONS = (
    get("api/workers", workers, "The workers, what they run and use.", Workers),
    get(
        "api/workers/history",
        history,
        "Why workers died, and how often they were replaced.",
        WorkerHistory,
        query=PageQuery,
    ),
    act("api/workers/{pid:int}/recycle", recycle, "Another one in its place, after its task; 0 for each.", Asked),
    act("api/workers/{pid:int}/stack", stack, "Where it is, while it goes on.", Stack),
    act("api/workers/{pid:int}/cancel", cancel, "Cancel what it runs.", Done),
)
