"""Dead letters out of the journal, the latest end first: a page by key, and as much searched as the time allows."""

from __future__ import annotations

import math
import time

from msgspec import Struct

from supervisor.errors import UnknownTaskError
from supervisor.ids import id_of, to_text
from supervisor.journal.history import History
from supervisor.states import Cause, State
from supervisor.web.listing import matcher
from supervisor.web.problems import ProblemError
from supervisor.web.statements import SQL
from supervisor.web.wanted import DeadQuery, moment

_WINDOW = 1000
_SECONDS = 0.08
_LONGEST_MESSAGE = 500


class DeadLetter(Struct, kw_only=True):
    """A task that ended failed, timed out or lost."""

    id: str
    name: str
    queue: str
    state: State
    attempts: int
    created_at: float
    ended_at: float
    cause: Cause | None
    error_type: str
    error_message: str


class DeadPage(Struct):
    """Some of them."""

    tasks: list[DeadLetter]
    cursor: str | None
    searched_until: float | None


def page(history: History, query: DeadQuery) -> DeadPage:
    """The next that match. Raises ProblemError for what is no cursor."""
    until = time.monotonic() + _SECONDS
    ended_at, task_id = _place(query)
    since, is_named = moment(query.since, -math.inf), matcher(query.name)
    found: list[DeadLetter] = []
    while True:
        rows = history.dead_rows((ended_at, task_id), since, _WINDOW)
        for ended_at, task_id, name in rows:
            if not query.name or is_named(name):
                found += _letter(history, task_id, name)
            if len(found) == query.limit:
                return DeadPage(found, f"{ended_at!r}-{task_id.hex()}", ended_at)
        if len(rows) < _WINDOW:
            return DeadPage(found, None, None)
        if time.monotonic() > until:
            return DeadPage(found, f"{ended_at!r}-{task_id.hex()}", ended_at)


def _place(query: DeadQuery) -> tuple[float, bytes]:
    if query.cursor is None:
        return moment(query.until, math.inf), b"\xff" * 17
    ended_at, _, digits = query.cursor.rpartition("-")
    try:
        return float(ended_at), bytes.fromhex(digits)
    except ValueError:
        raise ProblemError(400, f"{query.cursor!r} is no cursor of this list", "cursor") from None


def _letter(history: History, task_id: bytes, name: str) -> list[DeadLetter]:
    row = history.connection.execute(SQL["dead_task"], (task_id,)).fetchone()
    if row is None:
        return []
    _, queue, state, attempts, created_at, ended_at, cause, kind, message = row
    return [
        DeadLetter(
            id=to_text(task_id),
            name=name,
            queue=queue,
            state=State(state),
            attempts=attempts,
            created_at=created_at,
            ended_at=ended_at,
            cause=Cause(cause) if cause else None,
            error_type=kind or "",
            error_message=(message or "")[:_LONGEST_MESSAGE],
        )
    ]


def check(history: History, task_id: str) -> None:
    """UnknownTaskError for a task that is no dead letter."""
    if not history.connection.execute(SQL["is_dead"], (id_of(task_id),)).fetchone()[0]:
        raise UnknownTaskError(task_id, "it is no dead letter")
