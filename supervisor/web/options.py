"""What can be chosen about the dashboard: who may use it, and where it looks."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from supervisor.settings.source import WEB_VARIABLES

RoleName: TypeAlias = Literal["viewer", "operator"]
Told: TypeAlias = RoleName | tuple[RoleName, str] | None
Auth: TypeAlias = Callable[[Mapping[str, Any]], Told | Awaitable[Told]]
Collector: TypeAlias = Callable[[], Awaitable[tuple[bytes, str]]]

PASSWORD, VIEWER_PASSWORD, ALLOWED_HOSTS = WEB_VARIABLES


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a dashboard is to be. Durations are seconds."""

    dir: str | os.PathLike[str] | None = None
    """The supervisor's directory; default: ``$SUPERVISOR_DIR``, then ``./.supervisor``."""
    password: str | None = None
    """Of operators; default: ``$SUPERVISOR_WEB_PASSWORD``. Empty: none."""
    viewer_password: str | None = None
    """Of viewers; default: ``$SUPERVISOR_WEB_VIEWER_PASSWORD``. Empty: none."""
    auth: Auth | None = None
    """Called with the ASGI scope of each request (in a thread, unless it is ``async``): ``"viewer"``, ``"operator"``, a
    pair of one of these and the user's name for the audit log, or None."""
    allowed_hosts: tuple[str, ...] | None = None
    """Names that requests may call us by; default: ``$SUPERVISOR_WEB_ALLOWED_HOSTS``, separated by commas. None named:
    any where there is a password or ``auth``, else those of this machine's loopback."""
    session_seconds: float = 12 * 3600.0
    """How long somebody stays signed in."""
    stalled_after: float = 300.0
    """``readyz`` says no when tasks have waited for so long and none was handed out for as long."""
    metrics: Collector | None = None
    """Gives the body and the media type of ``metrics``; None: the supervisor's own figures."""

    @property
    def has_passwords(self) -> bool:
        """Whether somebody can sign in."""
        return bool(self.password or self.viewer_password)

    @property
    def is_open(self) -> bool:
        """Whether nothing was configured about access, so that only this machine may look."""
        return self.auth is None and not self.has_passwords

    def with_environment(self, environ: Mapping[str, str]) -> Options:
        """The same, with what the environment says in the place of what was left out."""
        hosts = self.allowed_hosts
        if hosts is None:
            hosts = tuple(filter(None, (each.strip() for each in environ.get(ALLOWED_HOSTS, "").split(","))))
        return replace(
            self,
            password=environ.get(PASSWORD, "") if self.password is None else self.password,
            viewer_password=environ.get(VIEWER_PASSWORD, "") if self.viewer_password is None else self.viewer_password,
            allowed_hosts=tuple(each.lower() for each in hosts),
        )
