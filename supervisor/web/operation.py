"""A route of the API as data: from one table come the routing, the checks of who may ask, and the OpenAPI document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from supervisor.web.access import Caller, Role
from supervisor.web.answer import Answer, Nothing
from supervisor.web.site import Site


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that was let in."""

    site: Site
    request: Request
    caller: Caller
    query: Any
    """Of the operation's type for parameters."""
    body: Any
    """Of its type for bodies."""

    def path(self, name: str) -> Any:
        """A parameter of the path."""
        return self.request.path_params[name]


Handler = Callable[[Ask], Awaitable[Answer | Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    handler: Handler
    about: str
    """One sentence."""
    answer: Any = None
    """The type of a good answer; None where it is no JSON."""
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    role: Role = Role.VIEWER
    status: int = 200
    media_type: str = "application/json"
    own_checks: bool = False
    """Whether the handler itself says who may ask."""

    is_public: bool = False
    """Whether it answers anybody, by whatever name it is called."""
    audited: Callable[[Any], str] = lambda body: ""
    """What of the body is written down."""

    @property
    def is_action(self) -> bool:
        """Whether it changes something, and so has to come from our own page."""
        return self.method != "GET"


def get(path: str, handler: Handler, about: str, answer: Any = None, **more: Any) -> Operation:
    """An operation that only looks."""
    return Operation(method="GET", path=path, handler=handler, about=about, answer=answer, **more)


def _json(body: Any) -> str:
    return msgspec.json.encode(body).decode()


def act(path: str, handler: Handler, about: str, answer: Any = None, **more: Any) -> Operation:
    """An action of operators."""
    chosen: dict[str, Any] = {"method": "POST", "role": Role.OPERATOR, "body": Nothing, "audited": _json, **more}
    return Operation(path=path, handler=handler, about=about, answer=answer, **chosen)
