"""What is done to many tasks: all that match, some at a time, so that neither the broker nor a proxy waits long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from supervisor.errors import QueueClosedError, QueueFullError, QueueUnavailableError, SupervisorError
from supervisor.states import State
from supervisor.web.answer import Answer
from supervisor.web.listing import Page, scan
from supervisor.web.operation import Ask, act
from supervisor.web.problems import ProblemError
from supervisor.web.wanted import Cursor, Filter, Text, seq_of

_SECONDS = 2.0
_AT_ONCE = 32
"""Calls that are on their way together, and so committed together."""
_MOST_REFUSED = 100
_OPEN = tuple(state for state in State if not state.ended)
_ENDED = tuple(state for state in State if state.ended)


class Bulk(Struct, forbid_unknown_fields=True):
    """To which tasks."""

    filter: Filter
    limit: Annotated[int, Meta(ge=1, le=1000)] = 1000
    cursor: Cursor | None = None


class Refused(Struct):
    """A task to which it was not done, and why."""

    id: str
    reason: str


class BulkDone(Answer):
    """To how many it was done."""

    matched: int
    done: int
    refused: list[Refused]
    cursor: str | None
    searched_until: float | None


class Clear(Struct, forbid_unknown_fields=True):
    """What is to be cleared; nothing said: all that waits."""

    queue: Text | None = None
    name: Text | None = None


class Count(Answer):
    """How many."""

    count: int


class _Sweep:
    """One request's part of it."""

    def __init__(self, ask: Ask, do: Callable[[str], Awaitable[bool]], states: tuple[State, ...]) -> None:
        bulk: Bulk = ask.body
        if bulk.filter.is_empty:
            raise ProblemError(400, "an empty filter would match every task there is: say which", "filter")
        wanted = tuple(state for state in states if state in bulk.filter.state or not bulk.filter.state)
        self._none = not wanted
        self._filter = msgspec.structs.replace(bulk.filter, state=wanted)
        self._read = ask.site.backend.read
        self._do = do
        self._left = bulk.limit
        self._before: int | None = seq_of(bulk.cursor)
        self._searched: float | None = None
        self._matched = self._done = 0
        self._refused: list[Refused] = []

    async def run(self) -> BulkDone:
        """Go on until all is done, enough is, or the time is up."""
        until = time.monotonic() + _SECONDS
        while not self._none and self._before is not None and self._left and time.monotonic() < until:
            page: Page = await self._read(scan, self._filter, self._before, min(_AT_ONCE, self._left))
            await asyncio.gather(*(self._one(line.id) for line in page.tasks))
            self._matched += len(page.tasks)
            self._left -= len(page.tasks)
            self._before, self._searched = page.before, page.searched_until
        cursor = None if self._before is None or self._none else str(self._before)
        return BulkDone(
            matched=self._matched,
            done=self._done,
            refused=self._refused,
            cursor=cursor,
            searched_until=self._searched,
        )

    async def _one(self, task_id: str) -> None:
        try:
            done = await self._do(task_id)
        except (QueueUnavailableError, QueueFullError, QueueClosedError):
            raise
        except SupervisorError as error:
            if len(self._refused) < _MOST_REFUSED:
                self._refused.append(Refused(task_id, str(error)))
        else:
            self._done += done


async def cancel(ask: Ask) -> Answer:
    """Cancel all that match."""
    return await _Sweep(ask, ask.site.backend.acts.acancel, _OPEN).run()


async def retry(ask: Ask) -> Answer:
    """Take up again all that match and have ended."""
    return await _Sweep(ask, ask.site.backend.acts.aretry, _ENDED).run()


async def clear(ask: Ask) -> Answer:
    """Cancel all that waits."""
    body: Clear = ask.body
    return Count(count=await ask.site.backend.acts.aclear(name=body.name or None, queue=body.queue or None))


OPERATIONS = (
    act("api/tasks/cancel", cancel, "Cancel all tasks that match a filter.", BulkDone, body=Bulk),
    act("api/tasks/retry", retry, "Take up again all tasks that match a filter and have ended.", BulkDone, body=Bulk),
    act("api/tasks/clear", clear, "Cancel all that waits.", Count, body=Clear),
)
