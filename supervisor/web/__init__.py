"""The dashboard, and the HTTP API that it is made of: mounted in an application, or run alone.

``dashboard()`` is an ASGI application, ``wsgi_dashboard()`` the same for WSGI. Both need the extra ``web``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from supervisor.errors import MissingExtraError

if TYPE_CHECKING:
    from supervisor.web.app import dashboard
    from supervisor.web.options import Options
    from supervisor.web.wsgi import mounted, wsgi_dashboard

__all__ = ["Options", "dashboard", "mounted", "wsgi_dashboard"]

_PLACES = {
    "Options": "supervisor.web.options",
    "dashboard": "supervisor.web.app",
    "mounted": "supervisor.web.wsgi",
    "wsgi_dashboard": "supervisor.web.wsgi",
}
_NEEDED = ("starlette", "sse_starlette", "a2wsgi", "itsdangerous")


def __getattr__(name: str) -> Any:
    """Import what is asked for. MissingExtraError, which is an ImportError, where the extra is not installed."""
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(place), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _NEEDED:
            raise
        raise MissingExtraError("the dashboard", "web", error.name) from error
