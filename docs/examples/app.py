"""The web side: submits tasks and answers at once, tells how they fare, and never waits for one.

Every call to the queue is one of its `a…` forms and files are written in threads: nothing blocks the event
loop.
"""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import anyio
import msgspec
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from docs.examples import store
from docs.examples.card import card
from docs.examples.tasks import CITIZENS, archive, fractal
from supervisor import Handle, queue
from supervisor.errors import (
    JournalFullError,
    QueueClosedError,
    QueueFullError,
    QueueUnavailableError,
    UnknownTaskError,
)
from supervisor.web import dashboard

MAX_UPLOAD = int(os.environ.get("MAX_UPLOAD", "64_000_000"))
"""Bytes of an upload that are accepted."""
MAX_IDS = 100
"""Tasks that one request may ask about."""
PAGE = Path(__file__).with_name("page.html").read_text().replace("{{max_upload}}", str(MAX_UPLOAD))


def reply(data: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON, also of the dataclasses that tasks return."""
    return Response(msgspec.json.encode(data), status, headers, "application/json")


def accepted(handle: Handle[Any]) -> Response:
    """The answer to a submission: the id, before anything has run."""
    return reply({"id": handle.id, "url": f"/tasks?ids={handle.id}"}, 202)


async def page(_: Request) -> Response:
    """The page."""
    return HTMLResponse(PAGE, headers={"Cache-Control": "no-cache"})


async def submit_file(request: Request) -> Response:
    """Keep the request's body as a file, and have it compressed."""
    if int(request.headers.get("content-length", 0)) > MAX_UPLOAD:
        raise store.TooLargeError(MAX_UPLOAD)
    name = request.query_params.get("name", "file")[-200:]
    path = await store.receive(request.stream(), name, MAX_UPLOAD)
    return accepted(await archive.compress.adelay(str(path), name))


async def submit_fractal(request: Request) -> Response:
    """Have a view rendered; what the body leaves out has a default."""
    view = msgspec.json.decode(await request.body() or b"{}", type=fractal.View)
    return accepted(await fractal.render.adelay(view))


async def submit_citizen(request: Request) -> Response:
    """Let a bad citizen loose."""
    citizen = CITIZENS.get(request.path_params["name"])
    if citizen is None:
        raise HTTPException(404, f"there is no such task; there are: {', '.join(CITIZENS)}")
    return accepted(await citizen.adelay())


async def tasks(request: Request) -> Response:
    """How the tasks asked about fare, all in one answer; null for one that nobody knows (any more)."""
    ids = list(filter(None, request.query_params.get("ids", "").split(",")))[:MAX_IDS]
    found = await asyncio.gather(*map(look_up, ids))
    return reply({"now": time.time(), "tasks": dict(zip(ids, found, strict=True))})


async def look_up(task_id: str) -> dict[str, object] | None:
    """One task's card, or None where there is no such task."""
    record = await queue.aget_result(task_id)
    return await card(record) if record else None


async def cancel(request: Request) -> Response:
    """Cancel a task; says whether there was anything left to cancel."""
    return reply({"cancelled": await queue.acancel(request.path_params["id"])})


async def result(request: Request) -> Response:
    """The file that a task made: a picture to show, or a compressed file to download."""
    record = await queue.aget_result(request.path_params["id"])
    made = record.result if record else None
    if not isinstance(made, archive.Summary | fractal.Picture):
        raise HTTPException(404, "this task has no file, or not yet")
    path = store.place(made.file)
    if not await anyio.Path(path).is_file():
        raise HTTPException(404, "the file is gone: results are kept for a day")
    if isinstance(made, fractal.Picture):
        return FileResponse(path, media_type="image/png")
    return FileResponse(path, media_type="application/gzip", filename=f"{store.plain(made.name)}.gz")


async def health(_: Request) -> Response:
    """Whether the web side answers and the queue behind it does; 503 when the queue does not."""
    return reply({"status": "ok", "queue": (await queue.astats()).to_dict()})


async def refuse(_: Request, error: Exception) -> Response:
    """An error as its sentence."""
    if isinstance(error, HTTPException):
        return reply({"error": error.detail}, error.status_code)
    status = next(status for kind, status in STATUSES.items() if isinstance(error, kind))
    return reply({"error": str(error)}, status, {"Retry-After": "2"} if status == 503 else None)


STATUSES: dict[type[Exception], int] = {
    QueueUnavailableError: 503,
    QueueFullError: 503,
    QueueClosedError: 503,
    JournalFullError: 503,
    UnknownTaskError: 404,
    store.TooLargeError: 413,
    msgspec.DecodeError: 400,
}


class OwnPageOnly:
    """Another site's page, open in the same browser, may not press these buttons."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        posted = scope["type"] == "http" and scope["method"] == "POST"
        if posted and Headers(scope=scope).get("sec-fetch-site") in ("cross-site", "same-site"):
            await reply({"error": "only this application's own page may do that"}, 403)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


app = Starlette(
    routes=[
        Route("/", page),
        Route("/tasks", tasks),
        Route("/tasks/compress", submit_file, methods=["POST"]),
        Route("/tasks/render", submit_fractal, methods=["POST"]),
        Route("/tasks/{name}", submit_citizen, methods=["POST"]),
        Route("/tasks/{id}/cancel", cancel, methods=["POST"]),
        Route("/results/{id}", result),
        Route("/health", health),
        Mount("/supervisor", dashboard()),
    ],
    middleware=[Middleware(OwnPageOnly)],
    exception_handlers={HTTPException: refuse, **dict.fromkeys(STATUSES, refuse)},
)
