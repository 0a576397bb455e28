"""Lists of tasks out of a journal of any size: a page by key, and as much searched as the time allows."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable
from fnmatch import translate
from functools import lru_cache
from typing import Any

from msgspec import Struct

from supervisor.ids import ordered_id, to_text
from supervisor.journal.history import History, TaskLine
from supervisor.states import State
from supervisor.web.statements import SQL
from supervisor.web.wanted import MOST_SEQ, Filter, moment, parent_of

_WINDOW = 4096
"""Rows that are looked at between two looks at the clock: some milliseconds."""
_SECONDS = 0.08
_CLOCKS_SECONDS = 60.0
"""By how much an id may be older or younger than the submit."""
_OPEN = frozenset(state for state in State if not state.ended)
_LATEST = 1e11


class Page(Struct):
    """Some of the tasks that match, the latest first."""

    tasks: list[TaskLine]
    before: int | None
    """Where to go on; None where all was searched."""
    searched_until: float | None
    """Down to which time of submit all was searched."""


class Scan:
    """A search downwards from the task with the highest number."""

    def __init__(self, history: History, wanted: Filter) -> None:
        self._connection = history.connection
        self._open = bool(wanted.state) and _OPEN.issuperset(wanted.state)
        self._bound = SQL[self._bound_name(wanted)]
        self._page = SQL["page_open" if self._open else "page"]
        since, until = moment(wanted.since, 0.0), moment(wanted.until, _LATEST)
        self._floor, self._ceiling = self._span(wanted, since, until)
        self._values: dict[str, Any] = {
            "states": f",{','.join(wanted.state)}," if wanted.state else "",
            "queue": wanted.queue,
            "since": since,
            "until": until,
            "name": wanted.name,
            "search": wanted.search.lower(),
            "digits": wanted.search.lower().replace("-", "") or "-",
            "parent": parent_of(wanted),
        }
        self._connection.create_function("is_named", 1, matcher(wanted.name), deterministic=True)

    def page(self, before: int, most: int, seconds: float = _SECONDS) -> Page:
        """The next tasks below a number: at most ``most``, and what is found in about so many seconds."""
        until = time.monotonic() + seconds
        found: list[TaskLine] = []
        place = min(before, self._ceiling)
        while place > self._floor:
            low, count = self._connection.execute(
                self._bound, {"before": place, "floor": self._floor, "window": _WINDOW}
            ).fetchone()
            if not count:
                return Page(found, None, None)
            low = max(low, self._floor)
            found += self._lines(place, low, most - len(found))
            if len(found) >= most:
                return Page(found, found[-1].seq, found[-1].created_at)
            place = low
            if time.monotonic() > until:
                return Page(found, place, self._time_of(place))
        return Page(found, None, None)

    def _lines(self, before: int, low: int, most: int) -> list[TaskLine]:
        rows = self._connection.execute(self._page, {**self._values, "before": before, "low": low, "most": most})
        return [
            TaskLine(seq, to_text(task_id), name, queue, State(state), *rest)
            for seq, task_id, name, queue, state, *rest in rows
        ]

    def _bound_name(self, wanted: Filter) -> str:
        if wanted.parent is not None:
            return "bound_ties"
        return "bound_open" if self._open else "bound_tasks"

    def _span(self, wanted: Filter, since: float, until: float) -> tuple[int, int]:
        """The lowest number that may match, and one above the highest."""
        floor, ceiling = 0, MOST_SEQ
        if wanted.since is not None:
            floor = self._number("first_since", _id_at(since - _CLOCKS_SECONDS, 0), MOST_SEQ)
        if wanted.until is not None:
            ceiling = self._number("last_until", _id_at(until + _CLOCKS_SECONDS, (1 << 74) - 1), -1) + 1
        return floor, ceiling

    def _number(self, name: str, task_id: bytes, otherwise: int) -> int:
        (found,) = self._connection.execute(SQL[name], (task_id,)).fetchone()
        return otherwise if found is None else int(found)

    def _time_of(self, seq: int) -> float | None:
        row = self._connection.execute(SQL["time_of"], (seq,)).fetchone()
        return None if row is None else float(row[0])


def _id_at(wall: float, seed: int) -> bytes:
    return ordered_id(min(max(0, int(wall * 1000)), (1 << 48) - 1), seed)


def matcher(pattern: str) -> Callable[[str], bool]:
    """A pattern as file names have them. SQLite's own would take years over some."""
    matches = re.compile(translate(pattern)).match

    @lru_cache(1024)
    def is_named(name: str) -> bool:
        return matches(name) is not None

    return is_named


def scan(history: History, wanted: Filter, before: int, most: int) -> Page:
    """A page of tasks. Raises UnknownTaskError for a parent that is no id, JournalError."""
    return Scan(history, wanted).page(before, most)


def newest(connection: sqlite3.Connection) -> int:
    """The highest number of a task."""
    return int(connection.execute(SQL["newest"]).fetchone()[0])
