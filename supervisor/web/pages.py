"""The pages: one HTML shell at every view's URL, whose script sees by that which view it is; and the static files."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from importlib.resources import files
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from supervisor.errors import SupervisorError
from supervisor.web import problems
from supervisor.web.access import Role
from supervisor.web.site import Site

VIEWS = ("", "running", "tasks", "tasks/{id}", "queues", "workers", "schedules", "dead", "system")
SIGN_IN = "sign-in"
STATIC = Path(str(files("supervisor.web"))) / "static"


def base_of(request: Request) -> str:
    """The path that we are mounted at, with a slash at its end."""
    return f"{request.scope.get('root_path', '').rstrip('/')}/"


def routes(site: Site) -> list[BaseRoute]:
    """Those of the pages and the static files."""
    views: list[BaseRoute] = [Route(f"/{view}", _guarded(site, _shell), methods=["GET"]) for view in VIEWS]
    sign_in = Route(f"/{SIGN_IN}", _guarded(site, _shell, anybody=True), methods=["GET"])
    return [*views, sign_in, Mount("/static", _Static(site))]


def _guarded(site: Site, page: Callable[[Request], Response], *, anybody: bool = False) -> Callable[[Request], object]:
    async def serve(request: Request) -> Response:
        try:
            caller = await site.access.caller(request)
            if anybody and site.options.has_passwords:
                return page(request)
            if caller.role is Role.NOBODY and site.options.has_passwords:
                return RedirectResponse(f"{base_of(request)}{SIGN_IN}", 303)
            site.access.refuse(caller, Role.VIEWER)
        except SupervisorError as error:
            return problems.problem_of(error, request.url.path)
        return page(request)

    return serve


def _shell(request: Request) -> Response:
    text = (STATIC / "shell.html").read_text("utf-8")
    return HTMLResponse(text.replace("{{base}}", escape(base_of(request))), headers={"Cache-Control": "no-cache"})


class _Static:
    """Files for whoever may see a page; the sign-in page needs them too."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._files = StaticFiles(directory=STATIC)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one."""
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        request = Request(scope)
        try:
            caller = await self._site.access.caller(request)
            if not self._site.options.has_passwords:
                self._site.access.refuse(caller, Role.VIEWER)
        except SupervisorError as error:
            await problems.problem_of(error, request.url.path)(scope, receive, send)
            return
        await self._files(scope, receive, send)
