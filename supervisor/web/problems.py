"""Errors as problem documents (RFC 9457): the sentence of ours that names fault and remedy, and a status."""

from __future__ import annotations

import re
from http import HTTPStatus

import msgspec
from starlette.responses import Response

from supervisor import errors
from supervisor.cli.master import NoWorkerError
from supervisor.cli.snapshot import NotRunningError
from supervisor.errors import SupervisorError

MEDIA_TYPE = "application/problem+json"
_URN = "urn:gunicorn-supervisor:error:"
_STATUSES: dict[type[SupervisorError], int] = {
    errors.QueueUnavailableError: 503,
    errors.JournalError: 503,
    errors.JournalFullError: 503,
    errors.QueueFullError: 503,
    errors.QueueClosedError: 503,
    NotRunningError: 503,
    errors.UnknownTaskError: 404,
    errors.UnknownScheduleError: 404,
    errors.UnknownHandlerError: 404,
    NoWorkerError: 404,
    errors.KeyHeldError: 409,
    errors.TaskNeededError: 409,
    errors.WaitTimeoutError: 504,
}
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The document."""

    type: str
    title: str
    status: int
    detail: str
    instance: str = ""


class ProblemError(SupervisorError):
    """A request that is refused, with the status that says so."""

    def __init__(
        self, status: int, detail: str, kind: str = "bad-request", headers: dict[str, str] | None = None
    ) -> None:
        self.status = status
        self.kind = kind
        self.headers = headers or {}
        super().__init__(detail)


def status_of(error: SupervisorError) -> int:
    """The status that an error of ours is told with; 400 for what cannot be anything but the caller's fault."""
    if isinstance(error, ProblemError):
        return error.status
    return next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), 400)


def problem_of(error: SupervisorError, instance: str = "") -> Response:
    """The answer that tells of an error of ours."""
    status = status_of(error)
    headers = dict(error.headers) if isinstance(error, ProblemError) else {}
    if status == 503:
        headers.setdefault("Retry-After", "2")
    return answer(status, str(error), _kind_of(error), instance, headers)


def answer(status: int, detail: str, kind: str, instance: str = "", headers: dict[str, str] | None = None) -> Response:
    """A problem as an answer."""
    told = Problem(type=_URN + kind, title=HTTPStatus(status).phrase, status=status, detail=detail, instance=instance)
    return Response(msgspec.json.encode(told), status, headers, MEDIA_TYPE)


def _kind_of(error: SupervisorError) -> str:
    if isinstance(error, ProblemError):
        return error.kind
    return _WORDS.sub("-", type(error).__name__.removesuffix("Error")).lower()
