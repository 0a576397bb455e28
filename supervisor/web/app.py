"""The dashboard as an ASGI application."""

from __future__ import annotations

import os
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from supervisor.web import endpoint, openapi, pages, problems
from supervisor.web.headers import SecurityHeaders
from supervisor.web.options import Options
from supervisor.web.site import Site
from supervisor.web.table import OPERATIONS


def dashboard(options: Options | None = None, **chosen: Any) -> Starlette:
    """The dashboard of a supervisor, to be mounted in an ASGI application, or served by itself.

    ``chosen`` are the fields of :class:`Options`, in the place of an object of these. Without a password or ``auth`` it
    answers this machine only, and only shows.
    """
    site = Site((options or Options(**chosen)).with_environment(os.environ))
    app = Starlette(
        routes=[
            *(endpoint.route(each, site) for each in OPERATIONS),
            openapi.route(OPERATIONS, site),
            *pages.routes(site),
        ],
        middleware=[Middleware(SecurityHeaders)],
        exception_handlers={HTTPException: _refuse},
    )
    app.router.redirect_slashes = False
    app.state.site = site
    return app


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = f"there is nothing at {request.url.path}" if error.status_code == 404 else error.detail
    kind = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "http")
    return problems.answer(error.status_code, detail, kind, request.url.path, dict(error.headers or {}))
