"""For load balancers, Kubernetes and Prometheus: whether this process lives, whether tasks get done, numbers."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType
from starlette.responses import Response

from supervisor.errors import SupervisorError
from supervisor.journal.history import History
from supervisor.web.access import Role
from supervisor.web.figures import Overview
from supervisor.web.operation import Ask, get
from supervisor.web.statements import SQL


class Alive(Struct):
    """This process answers."""

    status: str = "ok"


class Readiness(Struct, kw_only=True):
    """Whether tasks get done; ``reasons`` says why not. Who has no role is told the status alone."""

    status: str
    live: bool | UnsetType = UNSET
    reasons: list[str] | UnsetType = UNSET
    oldest_queued_age: float | UnsetType | None = UNSET
    last_claim_age: float | UnsetType | None = UNSET
    workers: int | UnsetType = UNSET
    busy: int | UnsetType = UNSET


async def livez(ask: Ask) -> Response:
    """Whether this process answers."""
    return _json(Alive())


async def readyz(ask: Ask) -> Response:
    """Whether tasks get done."""
    overview = (await ask.site.here.observer.look()).overview
    found = await readiness(ask, overview)
    status = 200 if not found.reasons else 503
    if ask.caller.role is Role.NOBODY:
        return _json(Readiness(status=found.status), status)
    return _json(found, status)


async def readiness(ask: Ask, overview: Overview) -> Readiness:
    """What a look at the figures comes to."""
    oldest = overview.total.oldest_age
    claim = await _last_claim_age(ask) if overview.live else None
    return Readiness(
        status="ready" if not (reasons := _reasons(ask, overview, claim)) else "not ready",
        live=overview.live,
        reasons=reasons,
        oldest_queued_age=oldest,
        last_claim_age=claim,
        workers=overview.workers.total,
        busy=overview.workers.busy,
    )


def _reasons(ask: Ask, overview: Overview, claim: float | None) -> list[str]:
    if not overview.live:
        return [f"the supervisor of {ask.site.directory} does not answer: {overview.reason}"]
    limit = ask.site.options.stalled_after
    oldest = overview.total.oldest_age
    found = []
    if overview.draining:
        found.append("the supervisor is shutting down")
    elif not overview.accepting:
        found.append("the queue was drained; `supervisor drain --open` or TaskQueue.open() opens it again")
    if not overview.workers.total:
        found.append("there are no workers; `supervisor status` says whether the tasks' code can be imported")
    if oldest is not None and oldest > limit and not overview.total.last_minute and _is_idle(overview, claim, limit):
        found.append(
            f"a task has waited for {oldest:.0f} s and none was handed out for as long; is its queue paused, or do all"
            " workers hang?"
        )
    return found


def _is_idle(overview: Overview, claim: float | None, limit: float) -> bool:
    """Whether nothing was handed out for long. Behind a deep queue the last claim is not found, and what runs tells."""
    return claim > limit if claim is not None else not overview.workers.busy


async def _last_claim_age(ask: Ask) -> float | None:
    try:
        last = await ask.site.backend.read(_last_start)
    except SupervisorError:
        return None  # there is no journal at durability "off"
    return None if last is None else max(0.0, time.time() - last)


def _last_start(history: History) -> float | None:
    row = history.connection.execute(SQL["last_start"]).fetchone()
    return row[0] if row else None


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
