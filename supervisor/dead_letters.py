"""Walking through the dead letters from a client: a slice a call, so that nobody else has to wait."""

from __future__ import annotations

import math
from datetime import datetime

from supervisor.client import calls
from supervisor.client.calls import Call
from supervisor.errors import TaskOptionError
from supervisor.ids import from_text
from supervisor.records import TaskRecord, record_of
from supervisor.wire.messages import DeadQuery, DeadSlice, TaskRow

When = datetime | float
_SLICE = 100


class Walk:
    """One walk, from the latest end to the earliest: ``take`` what each ``call`` gives, until it is done.

    ``action`` is a method of the broker's. ``before`` may be a record, to go on behind it.
    """

    def __init__(
        self,
        action: str,
        limit: float = math.inf,
        name: str | None = None,
        after: When | None = None,
        before: When | TaskRecord | None = None,
    ) -> None:
        self._action = action
        if limit != math.inf and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 0):
            raise TaskOptionError("limit", limit, "a whole number, 0 or more")
        if name is not None and not isinstance(name, str):
            raise TaskOptionError("name", name, 'the name of a task, or a pattern such as "shop.*"')
        self._limit = limit
        self._after = 0.0 if after is None else _wall("after", after)
        self._name = name or ""
        self._place: tuple[float, bytes] | None = _place(before)
        self._rows: list[TaskRow] = []
        self.count = 0
        """How many were met so far."""

    @property
    def done(self) -> bool:
        """Whether the walk is over."""
        return self._place is None or self.count >= self._limit

    def call(self, timeout: float) -> Call[DeadSlice]:
        """The next call to be made."""
        assert self._place is not None
        most = int(min(_SLICE, self._limit - self.count))
        return calls.dead(self._action, DeadQuery(self._place, self._after, self._name, most), timeout)

    def take(self, found: DeadSlice) -> None:
        """What it gave."""
        self._place = found.place
        self._rows += found.rows
        self.count += found.count

    def records(self) -> list[TaskRecord]:
        """Those that were listed."""
        return [record_of(row) for row in self._rows]


def _place(before: When | TaskRecord | None) -> tuple[float, bytes]:
    if before is None:
        return (math.inf, b"")
    if isinstance(before, TaskRecord):
        if before.ended_at is None:
            raise TaskOptionError("before", before.id, "the record of a task that has ended")
        return (before.ended_at, from_text(before.id) or b"")
    return (_wall("before", before), b"")


def _wall(option: str, when: When) -> float:
    if isinstance(when, datetime) and when.tzinfo is not None:
        return when.timestamp()
    if not isinstance(when, int | float) or isinstance(when, bool) or math.isnan(when):
        raise TaskOptionError(option, when, "a datetime with a time zone, or seconds since 1970")
    return float(when)
