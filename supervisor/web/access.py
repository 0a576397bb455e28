"""Who asks, and what that one may do. Closed by default: without a password only this machine, and only to look."""

from __future__ import annotations

import base64
import hashlib
import hmac
import inspect
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import Any

import anyio.to_thread
from starlette.requests import HTTPConnection

from supervisor.web import peers
from supervisor.web.options import Options, RoleName, Told
from supervisor.web.problems import ProblemError
from supervisor.web.throttle import Throttle
from supervisor.web.tokens import Tokens

COOKIE = "supervisor_session"
SESSION = "session"


class Role(IntEnum):
    """What somebody may do; a higher one may all that a lower one may."""

    NOBODY = 0
    VIEWER = 1
    OPERATOR = 2

    @property
    def label(self) -> RoleName | None:
        """As it is told."""
        return _LABELS.get(self)


_LABELS: dict[Role, RoleName] = {Role.VIEWER: "viewer", Role.OPERATOR: "operator"}
_ROLES: Mapping[str | None, Role] = {None: Role.NOBODY, "viewer": Role.VIEWER, "operator": Role.OPERATOR}


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who asks."""

    role: Role
    user: str
    address: str
    subject: str
    """What a CSRF token of this caller is bound to."""


class Access:
    """Tells callers apart."""

    def __init__(self, options: Options, tokens: Tokens) -> None:
        self.options = options
        self._tokens = tokens
        self._throttle = Throttle()

    async def caller(self, request: HTTPConnection) -> Caller:
        """Who asks. Raises ProblemError for a name that is not ours, and for too many wrong passwords."""
        self._check_host(request)
        address = peers.address_of(request)
        if self.options.is_open:
            local = peers.is_loopback(request)
            return Caller(Role.VIEWER if local else Role.NOBODY, "anonymous", address, "anonymous")
        if self.options.auth is not None:
            role, user = _told(await _ask(self.options.auth, request.scope))
            if role > Role.NOBODY:
                return Caller(role, user or role.label or "", address, f"auth {role} {user}")
        found = self._session(request, address) or self._basic(request, address)
        return found or Caller(Role.NOBODY, "anonymous", address, "anonymous")

    def sign_in(self, request: HTTPConnection, password: str) -> tuple[Caller, str]:
        """The caller with this password, and the value of the cookie. Raises ProblemError."""
        if not self.options.has_passwords:
            raise ProblemError(403, "there is no password to sign in with: set SUPERVISOR_WEB_PASSWORD", "forbidden")
        address = peers.address_of(request)
        role = self._role_of(password, address)
        if role is Role.NOBODY:
            raise ProblemError(401, "the password is wrong", "unauthorized")
        nonce = secrets.token_urlsafe(12)
        caller = Caller(role, role.label or "", address, f"session {nonce}")
        return caller, self._tokens.seal(SESSION, [int(role), nonce])

    def refuse(self, caller: Caller, needed: Role) -> None:
        """ProblemError unless the caller has the role."""
        if caller.role >= needed:
            return
        if self.options.is_open:
            why = (
                "it is read-only until there is a password: set SUPERVISOR_WEB_PASSWORD, or pass auth"
                if caller.role is Role.VIEWER
                else "it answers this machine only (and no proxy on it) until there is a password: set"
                " SUPERVISOR_WEB_PASSWORD, or pass auth"
            )
            raise ProblemError(403, why, "forbidden")
        if caller.role is Role.NOBODY:
            raise ProblemError(401, "sign in first: POST api/session, or HTTP Basic with the password", "unauthorized")
        raise ProblemError(403, f"that is for operators, and {caller.user} is a viewer", "forbidden")

    def _check_host(self, request: HTTPConnection) -> None:
        host, allowed = peers.host_of(request), self.options.allowed_hosts or ()
        if host in allowed or (not allowed and not self.options.is_open):
            return
        if peers.names_loopback(host) and (not allowed or peers.is_loopback(request)):
            return
        raise ProblemError(
            403, f"{host or 'an empty name'} is no name of this site; add it to SUPERVISOR_WEB_ALLOWED_HOSTS", "host"
        )

    def _session(self, request: HTTPConnection, address: str) -> Caller | None:
        cookie = request.cookies.get(COOKIE)
        told = self._tokens.open(SESSION, cookie) if cookie and self.options.has_passwords else None
        if told is None:
            return None
        number, nonce = told
        role = Role(number)
        return Caller(role, role.label or "", address, f"session {nonce}")

    def _basic(self, request: HTTPConnection, address: str) -> Caller | None:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic" or not self.options.has_passwords:
            return None
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            raise ProblemError(401, "the header Authorization makes no sense", "unauthorized") from None
        role = self._role_of(password, address)
        if role is Role.NOBODY:
            raise ProblemError(401, "the password is wrong", "unauthorized")
        return Caller(role, user[:100] or role.label or "", address, f"basic {role} {user}")

    def _role_of(self, password: str, address: str) -> Role:
        self._throttle.check(address)
        is_operator = _same(password, self.options.password)
        is_viewer = _same(password, self.options.viewer_password)
        if is_operator or is_viewer:
            return Role.OPERATOR if is_operator else Role.VIEWER
        self._throttle.failed(address)
        return Role.NOBODY


def _same(given: str, wanted: str | None) -> bool:
    """In a time that tells nothing of either; hashed first, so not of their lengths."""
    found = hmac.compare_digest(_digest(given), _digest(wanted or ""))
    return found and bool(wanted)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


async def _ask(auth: Any, scope: Mapping[str, Any]) -> Told:
    if inspect.iscoroutinefunction(auth) or inspect.iscoroutinefunction(getattr(auth, "__call__", None)):  # noqa: B004
        found: Told = await auth(scope)
        return found
    return await anyio.to_thread.run_sync(partial(auth, scope))  # it may ask a database


def _told(found: Told) -> tuple[Role, str]:
    role, user = found if isinstance(found, tuple) else (found, "")
    if role not in _ROLES:
        raise ProblemError(500, f"auth returned {role!r}: expected 'viewer', 'operator' or None", "auth")
    return _ROLES[role], str(user)
