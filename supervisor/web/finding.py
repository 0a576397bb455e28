"""The task behind a part of its id: how it begins, by the index; how it ends, among the latest."""

from __future__ import annotations

import time

from supervisor.errors import UnknownTaskError
from supervisor.ids import id_of, to_text
from supervisor.journal.history import History
from supervisor.web.backend import Backend
from supervisor.web.statements import SQL
from supervisor.web.wanted import MOST_SEQ

_WHOLE = 32
_LEAST = 4
_WINDOW = 8192
_SECONDS = 0.12


def exact_id(written: str) -> str:
    """A whole id, as actions want it. Raises UnknownTaskError."""
    return to_text(id_of(written))


async def whole_id(backend: Backend, written: str) -> str:
    """The id that begins, or ends, with what was written. Raises UnknownTaskError, JournalError."""
    digits = written.strip().lower().replace("-", "")
    if len(digits) >= _WHOLE or len(digits) < _LEAST or set(digits) - set("0123456789abcdef"):
        return exact_id(written)
    return await backend.read(_find, digits)


def _find(history: History, digits: str) -> str:
    low, high = (bytes.fromhex(digits.ljust(_WHOLE, each)) for each in "0f")
    begin = history.connection.execute(SQL["id_between"], (low, high)).fetchall()
    found = {row[0] for row in begin}
    if len(found) < 2:
        found |= _ending(history, digits)
    if len(found) > 1:
        raise UnknownTaskError(
            digits, "several ids begin or end so, and which is meant cannot be told; name more of it"
        )
    if not found:
        raise UnknownTaskError(digits, "none begins so, and none of the latest ends so; name all of it")
    return to_text(found.pop())


def _ending(history: History, digits: str) -> set[bytes]:
    until, place = time.monotonic() + _SECONDS, MOST_SEQ
    found: set[bytes] = set()
    while len(found) < 2 and time.monotonic() < until:
        values = {"before": place, "floor": 0, "window": _WINDOW}
        low, count = history.connection.execute(SQL["bound_tasks"], values).fetchone()
        if not count:
            break
        rows = history.connection.execute(SQL["id_ending"], {"before": place, "low": low, "digits": digits})
        found |= {row[0] for row in rows}
        place = low
    return found
