"""Why workers died while they ran something, by what the journal still knows."""

from __future__ import annotations

import time
from collections import Counter

from msgspec import Struct

from supervisor.ids import to_text
from supervisor.journal.history import History
from supervisor.states import Cause
from supervisor.web.statements import SQL

_WINDOW = 4096
_SECONDS = 0.08


class Death(Struct, kw_only=True):
    """The end of one process, in the middle of a task."""

    pid: int
    at: float
    cause: Cause
    message: str
    task_id: str
    task_name: str
    attempt: int
    ran_seconds: float


class Deaths(Struct):
    """Some of them."""

    deaths: list[Death]
    counts: dict[str, int]
    before: int | None
    searched_until: float | None


def page(history: History, before: int, most: int) -> Deaths:
    """Those of tasks below a number, the latest task first. All deaths of one task are on one page."""
    until, place = time.monotonic() + _SECONDS, before
    found: list[tuple[int, Death]] = []
    execute = history.connection.execute
    while True:
        low, count = execute(SQL["bound_attempts"], {"before": place, "floor": 0, "window": _WINDOW}).fetchone()
        if not count:
            return _page(history, found, None)
        rows = execute(SQL["deaths"], {"before": place, "low": low, "most": most + _WINDOW})
        found += [(row[0], _death(*row[1:])) for row in rows]
        place = low
        if len(found) >= most:
            last = found[most - 1][0]
            return _page(history, [each for each in found if each[0] >= last], last)
        if time.monotonic() > until:
            return _page(history, found, place)


def _page(history: History, found: list[tuple[int, Death]], before: int | None) -> Deaths:
    row = history.connection.execute(SQL["time_of"], (before,)).fetchone() if before is not None else None
    counts = Counter(str(death.cause) for _, death in found)
    return Deaths([death for _, death in found], dict(counts), before, row[0] if row else None)


def _death(pid: int, at: float, cause: str, message: str, task_id: bytes, name: str, *rest: float) -> Death:
    number, ran = rest
    return Death(
        pid=pid,
        at=at,
        cause=Cause(cause),
        message=message,
        task_id=to_text(task_id),
        task_name=name,
        attempt=int(number),
        ran_seconds=ran,
    )
