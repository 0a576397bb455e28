"""Server-sent events: what is open is counted, ends with the server, and under WSGI once it has told what is new."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request

from supervisor.web.problems import ProblemError

_MOST = 500
"""Streams that one process has open at a time."""
_AGAIN_MS = 2000
"""When a browser asks again after a stream has ended."""
_PING_SECONDS = 15


class Streams:
    """Those of one process."""

    def __init__(self) -> None:
        self.open = 0

    def answer(self, events: AsyncIterator[ServerSentEvent]) -> EventSourceResponse:
        """A stream of events. ProblemError where there are too many."""
        if self.open >= _MOST:
            raise ProblemError(503, f"{_MOST} event streams are open here already; close some", "too-many-streams")
        return EventSourceResponse(self._counted(events), ping=_PING_SECONDS, sep="\n")

    async def _counted(self, events: AsyncIterator[ServerSentEvent]) -> AsyncGenerator[ServerSentEvent]:
        self.open += 1
        try:
            yield ServerSentEvent(retry=_AGAIN_MS, comment="open")
            async for event in events:
                yield event
        finally:
            self.open -= 1
            if isinstance(events, AsyncGenerator):
                await events.aclose()


def stays_open(request: Request) -> bool:
    """Whether a stream may stay: a WSGI server would have one of its few workers do nothing else."""
    return "wsgi_environ" not in request.scope


def event(name: str, data: bytes, number: int | None = None) -> ServerSentEvent:
    """An event with JSON."""
    return ServerSentEvent(data.decode(), event=name, id=None if number is None else str(number))


def last_seen(request: Request) -> int:
    """The number of the last event that a browser which comes again has seen; -1 for none."""
    given = request.headers.get("last-event-id", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 12 else -1
