"""A journal in memory: that a task was handed out is written when somebody reads, or with the task's end.

It outlives nothing, and nobody else reads it, so nobody can tell; and it is a third of what a short task writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from supervisor.journal.statements import SQL
from supervisor.journal.task_rows import Row, Sorted


class MemoryConnection(sqlite3.Connection):
    """Its tables in memory. What reads them, and whatever else is executed, finds every lease written."""

    def __init__(self, database: str, **options: Any) -> None:
        super().__init__(database, **options)
        self._leases: dict[int, Row] = {}
        """Rows for ``lease_task`` that have not been written, by seq."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Write what was held back, then this."""
        if self._leases:
            leases, self._leases = self._leases, {}
            super().executemany(SQL["lease_task"], leases.values())
        return super().execute(sql, parameters)

    def write(self, sql: str, rows: Iterable[Row] | None = None) -> None:
        """Execute a part of a turn's transaction, and nothing before it."""
        if rows is None:
            super().execute(sql)
        else:
            super().executemany(sql, rows)

    def hold_back(self, rows: Sorted) -> None:
        """Keep new leases back, and join earlier ones to what becomes of their tasks."""
        held = self._leases
        if held and rows.succeeded:
            rows.succeeded, succeeded = [], rows.succeeded
            for row in succeeded:
                lease = held.pop(row[-1], None)
                if lease is None:
                    rows.succeeded.append(row)
                else:
                    rows.served.append((*lease[:-1], *row))
        before = [held.pop(row[-1]) for row in (*rows.moved, *rows.ended) if row[-1] in held] if held else []
        held.update((row[-1], row) for row in rows.leased)
        rows.leased = before
