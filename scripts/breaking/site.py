"""The web application of a chaos run: its web workers submit, too. WSGI, and nothing to install for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from scripts.breaking import tasks
from supervisor.errors import SupervisorError


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """``/KIND/NUMBER`` submits such a task and answers with its id."""
    _, kind, number = environ["PATH_INFO"].split("/")
    if kind == "probe":
        kind = "short"
    try:
        found, status = tasks.submit(kind, int(number)), "200 OK"
    except SupervisorError as error:
        found, status = type(error).__name__, "503 Service Unavailable"
    start_response(status, [("Content-Type", "text/plain")])
    return [found.encode()]
