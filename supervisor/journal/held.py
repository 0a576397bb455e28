"""Leases whose rows are held back: those of tasks so short that several were handed out in one call.

To write each into its task's row, before anybody hears of it, would be half of all that such a task writes. They are
noted in one row a handout; the task's own row gets them with its end, or before somebody reads. In memory
(durability ``off``), where a death of the broker leaves nothing to be read, no lease is noted at all.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from supervisor.journal.statements import SQL
from supervisor.journal.task_rows import Row, Sorted

_encode = msgspec.json.Encoder().encode
_FORGET_AFTER = 64
_LEASE, _WORKER, _PID, _STARTED, _SEQ = 0, 1, 2, 3, -1
"""Places in a row for ``lease_task``."""


class Plan(Struct, eq=False):
    """What becomes of the leases that are held back, once the transaction that says so is written."""

    new: list[Row]
    gone: list[int]
    """By seq."""
    handouts: list[Row]
    forget: list[Row]


class HeldLeases:
    """Rows for ``lease_task`` that have not been written, by seq. ``noted``: handouts are."""

    def __init__(self, *, noted: bool) -> None:
        self._noted = noted
        self._rows: dict[int, Row] = {}
        self._handouts = 0
        """How many have been noted since the last were forgotten."""

    def __len__(self) -> int:
        return len(self._rows)

    def plan(self, rows: Sorted) -> Plan:
        """Take out of a turn's rows what is held back, and join to them what was. In force after :meth:`settle`: the
        disk may be full, and the turn be planned again.
        """
        held = self._rows
        plan = Plan([], [], [], [])
        before: list[Row] = []
        if held:
            self._join(rows, plan)
            before = [held[row[_SEQ]] for row in (*rows.moved, *rows.ended) if row[_SEQ] in held]
            plan.gone += [row[_SEQ] for row in before]
        if rows.leased:
            before += self._hold(rows.leased, plan)
        rows.leased = before
        return plan

    def _join(self, rows: Sorted, plan: Plan) -> None:
        held = self._rows
        rows.succeeded, succeeded = [], rows.succeeded
        run: Row = ()
        first = last = 0
        for row in succeeded:
            seq = row[_SEQ]
            lease = held.get(seq)
            if lease is None:
                rows.succeeded.append(row)
                continue
            plan.gone.append(seq)
            wall, files, *_ = row
            found = (lease[_LEASE] - seq, *lease[_WORKER:_SEQ], wall, files)
            if seq != last + 1 or found != run:
                if run:
                    rows.served.append((*run, first, last))
                run, first = found, seq
            last = seq
        if run:
            rows.served.append((*run, first, last))

    def _hold(self, leased: list[Row], plan: Plan) -> list[Row]:
        """Those that are to be written at once: what was handed out alone."""
        alone: list[Row] = []
        for group in _handouts(leased):
            if len(group) == 1 and self._noted:
                alone += group
                plan.gone += [group[0][_SEQ]] if group[0][_SEQ] in self._rows else []
                continue
            plan.new += group
            if self._noted:
                first, last = group[0], group[-1]
                seqs = _encode([row[_SEQ] for row in group]).decode()
                plan.handouts.append((first[_LEASE], last[_LEASE], first[_WORKER], first[_PID], first[_STARTED], seqs))
        if plan.handouts and self._handouts >= _FORGET_AFTER:
            lowest = min(row[_LEASE] for row in (*self._rows.values(), *plan.new))
            plan.forget.append((lowest,))
        return alone

    def settle(self, plan: Plan) -> None:
        """It is written."""
        for seq in plan.gone:
            self._rows.pop(seq, None)
        self._rows.update((row[_SEQ], row) for row in plan.new)
        self._handouts = len(plan.handouts) + (0 if plan.forget else self._handouts)

    def take(self) -> list[Row]:
        """All of them, to be written now."""
        rows, self._rows = self._rows, {}
        return list(rows.values())

    def put_back(self, rows: Iterable[Row]) -> None:
        """They could not be written."""
        self._rows.update((row[_SEQ], row) for row in rows)


class Connection(sqlite3.Connection):
    """The journal's. Whatever is executed finds the leases written that were held back, but for a turn's own writing,
    which is done by :meth:`run` and :meth:`run_many`.
    """

    held: HeldLeases
    relax: Callable[[], None]
    """Called before they are written in a transaction of their own."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Write what is held back, then this."""
        if self.held:
            self.write_held()
        return super().execute(sql, parameters)

    def run(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        """Execute this, and nothing before it."""
        return super().execute(sql, parameters)

    def run_many(self, sql: str, rows: Iterable[Row]) -> None:
        """The same for each row."""
        super().executemany(sql, rows)

    def write_held(self) -> None:
        """Write what is held back; not within a transaction, which might be rolled back."""
        if self.in_transaction or not self.held:
            return
        rows = self.held.take()
        try:
            self.relax()
            self.write_leases(rows)
        except sqlite3.OperationalError:  # the disk is full, as the next turn will find; whoever reads can read
            self.held.put_back(rows)

    def write_leases(self, rows: list[Row]) -> None:
        """Write these in a transaction of their own."""
        self.run("BEGIN IMMEDIATE")
        try:
            self.run_many(SQL["lease_task"], rows)
            self.run("COMMIT")
        except sqlite3.OperationalError:
            with contextlib.suppress(sqlite3.OperationalError):  # it may have been rolled back already
                self.run("ROLLBACK")
            raise


def take_up(connection: sqlite3.Connection) -> None:
    """Write what the handouts of a broker that is gone say into the rows of their tasks."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(SQL["take_up_handouts"])
    connection.execute("DELETE FROM handouts")
    connection.execute("COMMIT")


def _handouts(leased: list[Row]) -> Iterator[list[Row]]:
    """Leases of one worker that follow each other."""
    group: list[Row] = []
    for row in sorted(leased):
        if group and (row[_WORKER] != group[-1][_WORKER] or row[_LEASE] != group[-1][_LEASE] + 1):
            yield group
            group = []
        group.append(row)
    if group:
        yield group
