"""Who one is here: signing in and out."""

from __future__ import annotations

import time

import msgspec
from starlette.responses import Response

from supervisor import __version__
from supervisor.web import csrf
from supervisor.web.access import COOKIE, Caller, Role
from supervisor.web.answer import Answer
from supervisor.web.operation import Ask, Operation, get
from supervisor.web.pages import base_of


class SessionAnswer(Answer):
    """Who asks, and what that one needs to act."""

    role: str | None
    user: str
    csrf: str
    sign_in: bool
    version: str
    title: str
    directory: str
    now: float
    streams: bool


class Password(msgspec.Struct, forbid_unknown_fields=True):
    """What signs in."""

    password: str


async def look(ask: Ask) -> Answer:
    """Who asks."""
    if not ask.site.options.has_passwords:
        ask.site.access.refuse(ask.caller, Role.VIEWER)
    return await _session(ask, ask.caller)


async def sign_in(ask: Ask) -> Response:
    """Begin a session."""
    csrf.check_origin(ask.request)
    caller, cookie = ask.site.access.sign_in(ask.request, ask.body.password)
    response = Response(msgspec.json.encode(await _session(ask, caller)), media_type="application/json")
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=int(ask.site.options.session_seconds),
        path=base_of(ask.request),
        secure=_is_secure(ask),
        httponly=True,
        samesite="strict",
    )
    return response


async def sign_out(ask: Ask) -> Response:
    """End it."""
    ask.site.access.refuse(ask.caller, Role.VIEWER)
    csrf.check(ask.request, ask.caller, ask.site.tokens)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path=base_of(ask.request), secure=_is_secure(ask), httponly=True, samesite="strict")
    return response


def _is_secure(ask: Ask) -> bool:
    forwarded = ask.request.headers.get("x-forwarded-proto", "")
    return "https" in (ask.request.url.scheme, forwarded.rpartition(",")[2].strip().lower())


async def _session(ask: Ask, caller: Caller) -> SessionAnswer:
    site = ask.site
    known = caller.role > Role.NOBODY
    return SessionAnswer(
        live=known and await site.backend.is_live(),
        role=caller.role.label,
        user=caller.user,
        csrf=csrf.token_for(caller, site.tokens) if known else "",
        sign_in=site.options.has_passwords,
        version=__version__,
        title=site.backend.title() if known else "",
        directory=str(site.directory) if known else "",
        now=time.time(),
        streams="wsgi_environ" not in ask.request.scope,
    )


OPERATIONS = (
    get("api/session", look, "Who asks, and the token that actions need.", SessionAnswer, own_checks=True),
    Operation(
        method="POST",
        path="api/session",
        handler=sign_in,
        about="Sign in with a password.",
        answer=SessionAnswer,
        body=Password,
        own_checks=True,
    ),
    Operation(method="DELETE", path="api/session", handler=sign_out, about="Sign out.", status=204, own_checks=True),
)
