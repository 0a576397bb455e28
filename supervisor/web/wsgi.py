"""The dashboard for WSGI: Flask, Django, anything under Gunicorn's sync workers.

Event streams do not stay open there: each ends once it has told what is new, and the browser asks again after two
seconds.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

from a2wsgi import ASGIMiddleware

from supervisor.web.app import dashboard
from supervisor.web.options import Options

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Any], Iterable[bytes]]


class _Dashboard:
    """Has its event loop in a thread, begun in the process that asks: a thread does not come along in a fork."""

    def __init__(self, options: Options | None, chosen: dict[str, Any]) -> None:
        self._app = dashboard(options, **chosen)
        self._begun: tuple[int, Any] | None = None
        self._lock = threading.Lock()

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        environ.setdefault("REMOTE_PORT", "0")  # without which a2wsgi passes no address on
        found: Iterable[bytes] = self._here()(environ, start_response)
        return found

    def _here(self) -> Any:
        with self._lock:
            if self._begun is None or self._begun[0] != os.getpid():
                self._begun = os.getpid(), ASGIMiddleware(self._app)  # type: ignore[arg-type]
            return self._begun[1]


def wsgi_dashboard(options: Options | None = None, **chosen: Any) -> Wsgi:
    """:func:`supervisor.web.dashboard` as a WSGI application, to be mounted below a path."""
    return _Dashboard(options, chosen)


def mounted(app: Wsgi, path: str, below: Wsgi) -> Wsgi:
    """A WSGI application that has another one below a path, such as "/supervisor"."""
    prefix = f"/{path.strip('/')}"

    def serve(environ: Environ, start_response: Any) -> Iterable[bytes]:
        info: str = environ.get("PATH_INFO", "")
        if info == prefix:
            start_response("307 Temporary Redirect", [("Location", f"{environ.get('SCRIPT_NAME', '')}{prefix}/")])
            return [b""]
        if not info.startswith(f"{prefix}/"):
            return app(environ, start_response)
        moved = {"SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + prefix, "PATH_INFO": info[len(prefix) :]}
        return below({**environ, **moved}, start_response)

    return serve
