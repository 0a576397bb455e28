"""All operations of the API."""

from __future__ import annotations

from supervisor.web.routes import session

OPERATIONS = (*session.OPERATIONS,)
