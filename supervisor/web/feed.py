"""What event streams tell, fetched once for all who listen to the same: figures, a task's lines, its progress."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import msgspec
from sse_starlette import ServerSentEvent

from supervisor.errors import QueueUnavailableError, UnknownTaskError
from supervisor.records import LogLine, TaskProgress
from supervisor.web.backend import Backend
from supervisor.web.figures import FRESH_SECONDS, Observer
from supervisor.web.producer import Producer
from supervisor.web.sse import event

_PROGRESS_SECONDS = 0.5
_AGAIN_SECONDS = 1.0
_encode = msgspec.json.Encoder().encode
K = TypeVar("K")
V = TypeVar("V")


class OverviewFeed:
    """The live overview, once a second."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self.producer = Producer(self._work)
        self._latest: dict[str, tuple[int, bytes]] = {}
        """By event: which one it is, and its JSON, encoded once for all."""

    async def _work(self) -> None:
        while True:
            self._take(await self._observer.look(FRESH_SECONDS / 2))
            await asyncio.sleep(FRESH_SECONDS)

    def _take(self, look: Any) -> None:
        changed = False
        for name, answer in (("overview", look.overview), ("workers", look.workers)):
            data = _encode(answer)
            number, before = self._latest.get(name, (0, b""))
            if data != before:
                self._latest[name] = (number + 1, data)
                changed = True
        if changed:
            self.producer.notify()

    async def events(self, *, stay: bool) -> AsyncGenerator[ServerSentEvent]:
        """What is there, and then what is new; only the former unless they ``stay``."""
        if not stay:
            self._take(await self._observer.look())
            for name, (_, data) in self._latest.items():
                yield event(name, data)
            return
        seen: dict[str, int] = {}
        async with self.producer.attended():
            while True:
                changed = self.producer.changed
                for name, (number, data) in list(self._latest.items()):
                    if seen.get(name) != number:
                        seen[name] = number
                        yield event(name, data)
                await changed.wait()


class Line(msgspec.Struct):
    """A line that a task said; ``number`` is 0 for the first of all."""

    number: int
    at: float
    level: str
    message: str
    logger: str
    stream: str
    extra: dict[str, Any]
    attempt: int


def line_of(number: int, line: LogLine) -> Line:
    """A line with its number."""
    return Line(number, line.at, line.level, line.message, line.logger, line.stream, line.extra, line.attempt)


class LogFeed:
    """The lines of one task, read once for all who follow it."""

    def __init__(self, backend: Backend, task_id: str) -> None:
        self._backend = backend
        self._task_id = task_id
        self.producer = Producer(self._work)
        self._lines: list[Line] = []
        self._ended = False

    async def _work(self) -> None:
        while not self._ended:
            number = 0
            try:
                async for line in self._backend.looks.afollow(self._task_id):
                    if number == len(self._lines):
                        self._lines.append(line_of(number, line))
                        self.producer.notify()
                    number += 1
                self._ended = True
            except UnknownTaskError:
                self._ended = True
            except QueueUnavailableError:
                await asyncio.sleep(_AGAIN_SECONDS)

    async def events(self, seen: int, attempt: int | None) -> AsyncGenerator[ServerSentEvent]:
        """The lines behind the one that was seen, then each as it comes."""
        place = seen + 1
        async with self.producer.attended():
            while True:
                changed = self.producer.changed
                for line in self._lines[place:]:
                    place = line.number + 1
                    if attempt in (None, line.attempt):
                        yield event("line", _encode(line), line.number)
                if self._ended and place >= len(self._lines):
                    yield event("end", b'{"ended":true}')
                    return
                await changed.wait()


class ProgressFeed:
    """How far one task is, asked twice a second for all who watch it."""

    def __init__(self, backend: Backend, task_id: str) -> None:
        self._backend = backend
        self._task_id = task_id
        self.producer = Producer(self._work)
        self._latest: tuple[int, bytes] = (0, b"")
        self._ended = False

    async def _work(self) -> None:
        while not self._ended:
            try:
                found = await self._backend.look(lambda queue: queue.aget_progress(self._task_id))
            except QueueUnavailableError:
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            self._ended = found is None or found.state.ended
            data = progress_json(found) if found is not None else b""
            if self._ended or data != self._latest[1]:
                self._latest = (self._latest[0] + 1, data or self._latest[1])
                self.producer.notify()
            await asyncio.sleep(0 if self._ended else _PROGRESS_SECONDS)

    async def events(self) -> AsyncGenerator[ServerSentEvent]:
        """What is there, and then what is new."""
        seen = 0
        async with self.producer.attended():
            while True:
                changed = self.producer.changed
                number, data = self._latest
                if number != seen and data:
                    seen = number
                    yield event("progress", data)
                if self._ended:
                    yield event("end", data or b"{}")
                    return
                await changed.wait()


def progress_json(found: TaskProgress, *, live: bool = True) -> bytes:
    """How far a task is, as JSON."""
    return _encode({"live": live, **msgspec.to_builtins(found)})


class Feeds(Generic[K, V]):
    """Those that somebody listens to, by what they are about."""

    def __init__(self, make: Callable[[K], V]) -> None:
        self._make = make
        self._found: dict[K, tuple[V, int]] = {}

    @contextmanager
    def shared(self, key: K) -> Generator[V]:
        """The one that others listen to already, or a new one; with the last who listens it is forgotten."""
        feed, users = self._found.get(key) or (self._make(key), 0)
        self._found[key] = (feed, users + 1)
        try:
            yield feed
        finally:
            feed, users = self._found[key]
            if users == 1:
                del self._found[key]
            else:
                self._found[key] = (feed, users - 1)
