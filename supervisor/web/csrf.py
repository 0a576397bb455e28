"""Actions come from our own page, or from no browser: a token that only our page can read, and the browser's word."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request

from supervisor.web.access import Caller
from supervisor.web.problems import ProblemError
from supervisor.web.tokens import Tokens

HEADER = "x-csrf-token"
_PURPOSE = "csrf"


def token_for(caller: Caller, tokens: Tokens) -> str:
    """The token that this caller has to send along with an action."""
    return tokens.seal(_PURPOSE, caller.subject)


def check_origin(request: Request) -> None:
    """ProblemError where a browser says that another site's page asks."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site != "same-origin":
            raise ProblemError(403, f"only our own page may do that (Sec-Fetch-Site: {site[:20]})", "csrf")
        return
    origin = request.headers.get("origin")
    if origin is not None and _place(origin) != request.headers.get("host", "").lower():
        raise ProblemError(403, f"only our own page may do that (Origin: {origin[:100]})", "csrf")


def check(request: Request, caller: Caller, tokens: Tokens) -> None:
    """ProblemError unless the request has the caller's token and comes from our own page."""
    check_origin(request)
    given = request.headers.get(HEADER)
    if not given:
        raise ProblemError(403, "the header X-CSRF-Token is missing: send the csrf of GET api/session", "csrf")
    if tokens.open(_PURPOSE, given) != caller.subject:
        raise ProblemError(403, "the X-CSRF-Token is not this session's, or too old: ask GET api/session again", "csrf")


def _place(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
