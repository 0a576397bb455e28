"""For load balancers, Kubernetes and Prometheus: whether this process lives, whether tasks get done, numbers."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType
from starlette.responses import Response

from supervisor.web.access import Role
from supervisor.web.figures import Overview
from supervisor.web.operation import Ask, get


class Alive(Struct):
    """This process answers."""

    status: str = "ok"


class Readiness(Struct, kw_only=True):
    """Whether tasks get done; ``reasons`` says why not. Who has no role is told the status alone."""

    status: str
    live: bool | UnsetType = UNSET
    reasons: list[str] | UnsetType = UNSET
    oldest_queued_age: float | UnsetType | None = UNSET
    """For how many seconds the task has waited that has waited longest; null where none waits."""
    last_claim_age: float | UnsetType | None = UNSET
    """How many seconds ago a task was last handed to a worker; null where none was yet, or, at durability "off", none
    since the broker started."""
    workers: int | UnsetType = UNSET
    busy: int | UnsetType = UNSET


async def livez(ask: Ask) -> Response:
    """Whether this process answers."""
    return _json(Alive())


async def readyz(ask: Ask) -> Response:
    """Whether tasks get done."""
    overview = (await ask.site.here.observer.look()).overview
    found = readiness(ask, overview)
    status = 200 if not found.reasons else 503
    if ask.caller.role is Role.NOBODY:
        return _json(Readiness(status=found.status), status)
    return _json(found, status)


def readiness(ask: Ask, overview: Overview) -> Readiness:
    """What a look at the figures comes to."""
    return Readiness(
        status="ready" if not (reasons := _reasons(ask, overview)) else "not ready",
        live=overview.live,
        reasons=reasons,
        oldest_queued_age=overview.total.oldest_age,
        last_claim_age=overview.total.last_claim_age,
        workers=overview.workers.total,
        busy=overview.workers.busy,
    )


def _reasons(ask: Ask, overview: Overview) -> list[str]:
    if not overview.live:
        return [f"the supervisor of {ask.site.directory} does not answer: {overview.reason}"]
    limit = ask.site.options.stalled_after
    oldest, idle = overview.total.oldest_age, _idle_for(overview)
    found = []
    if overview.draining:
        found.append("the supervisor is shutting down")
    elif not overview.accepting:
        found.append("the queue was drained; `supervisor drain --open` or TaskQueue.open() opens it again")
    if not overview.workers.total:
        found.append("there are no workers; `supervisor status` says whether the tasks' code can be imported")
    if oldest is not None and min(oldest, idle) > limit:
        found.append(
            f"a task has waited for {oldest:.0f} s and none was handed out for {idle:.0f} s; is its queue paused, or do"
            " all workers hang?"
        )
    return found


def _idle_for(overview: Overview) -> float:
    """For how long nothing was handed out: where nothing ever was, since the start."""
    claim = overview.total.last_claim_age
    return overview.uptime if claim is None else claim


async def metrics(ask: Ask) -> Response:
    """Numbers for Prometheus."""
    body, media_type = await ask.site.metrics()
    return Response(body, media_type=media_type)


def _json(found: Struct, status: int = 200) -> Response:
    return Response(msgspec.json.encode(found), status, media_type="application/json")


_PUBLIC: dict[str, Any] = {"role": Role.NOBODY, "own_checks": True, "is_public": True}
OPERATIONS = (
    get("livez", livez, "Whether this process answers.", Alive, **_PUBLIC),
    get("readyz", readyz, "Whether tasks get done; 503 where not.", Readiness, **_PUBLIC),
    get("metrics", metrics, "Numbers for Prometheus.", media_type="text/plain"),
)
