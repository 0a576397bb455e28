"""From a request to its operation: who asks, whether that one may, what is asked; and writing down what was done."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from supervisor.errors import SupervisorError
from supervisor.log import log
from supervisor.web import csrf, problems
from supervisor.web.access import Caller, Role
from supervisor.web.audit import Entry
from supervisor.web.operation import Ask, Operation
from supervisor.web.peers import address_of
from supervisor.web.reading import read_body, read_query
from supervisor.web.site import Site

_NOBODY = Caller(Role.NOBODY, "anonymous", "", "")


def route(operation: Operation, site: Site) -> Route:
    """The route of an operation."""
    endpoint = _Endpoint(operation, site)
    return Route(f"/{operation.path}", endpoint.serve, methods=[operation.method])


class _Endpoint:
    def __init__(self, operation: Operation, site: Site) -> None:
        self._operation = operation
        self._site = site

    async def serve(self, request: Request) -> Response:
        """Answer one request, whatever it is."""
        caller = _NOBODY
        try:
            caller = await self._caller(request)
            response, told = await self._carry_out(request, caller)
        except SupervisorError as error:
            response, told = problems.problem_of(error, request.url.path), str(error)
        except Exception:  # noqa: BLE001  told in the log, and to the caller that it is there
            log.exception("the dashboard failed at %s %s", request.method, request.url.path)
            told = "something went wrong here; the log of the web server says what"
            response = problems.answer(500, told, "internal", request.url.path)
        if self._operation.is_action:
            await self._site.audit.write(_entry(self._operation, request, caller, response.status_code, told))
        return response

    async def _caller(self, request: Request) -> Caller:
        try:
            return await self._site.access.caller(request)
        except problems.ProblemError:
            if not self._operation.is_public:
                raise
            return _NOBODY

    async def _carry_out(self, request: Request, caller: Caller) -> tuple[Response, str]:
        """The answer, and what of the body is to be written down."""
        operation, site = self._operation, self._site
        if not operation.own_checks:
            site.access.refuse(caller, operation.role)
            if operation.is_action:
                csrf.check(request, caller, site.tokens)
        query = read_query(request, operation.query)
        body = await read_body(request, operation.body)
        found = await operation.handler(Ask(site, request, caller, query, body))
        told = operation.audited(body) if operation.is_action else ""
        if isinstance(found, Response):
            return found, told
        return Response(msgspec.json.encode(found), operation.status, media_type="application/json"), told


def _entry(operation: Operation, request: Request, caller: Caller, status: int, detail: str) -> Entry:
    return Entry(
        user=caller.user,
        role=caller.role.label or "",
        address=caller.address or address_of(request),
        action=f"{operation.method} {operation.path}",
        target=", ".join(str(each) for each in request.path_params.values())[:200],
        status=status,
        outcome="done" if status < 400 else "refused" if status < 500 else "failed",
        detail=detail[:500],
    )
