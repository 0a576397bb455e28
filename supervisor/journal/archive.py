"""What the journal holds of tasks that have ended: to look through, to take up again, and to delete.

Each call reads or deletes a bounded number of rows, since the queue waits for it. Only rows that have ended are ever
touched, and a task in the book has none of those.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from supervisor.core.keys import Keys
from supervisor.core.retention import Remains, Retention
from supervisor.ids import to_text
from supervisor.journal.rows import StoredTask, stored_task
from supervisor.journal.statements import SQL
from supervisor.payload_files import ARGUMENTS, RESULT, item_suffix
from supervisor.states import State
from supervisor.wire.messages import AttemptRow, DeadQuery, Files

_SCAN = 1000
"""Most letters that one call looks at."""
_HISTORY = 200
_HISTORY_CHARACTERS = 4 << 20
"""Most attempts that one call tells of, and what they may say in all."""
_decode_keys = msgspec.json.Decoder(Keys).decode
Place = tuple[float, bytes]
"""Of a dead letter: when it ended, and its id."""


class Remainder(msgspec.Struct, frozen=True, gc=False):
    """A row that the sweep looks at."""

    seq: int
    id: bytes
    files: int
    remains: Remains

    @property
    def result_file(self) -> str | None:
        """The name of the file that its result lies in."""
        return f"{to_text(self.id)}.{RESULT}" if self.files & Files.RESULT else None

    @property
    def file_names(self) -> list[str]:
        """The names of all its files."""
        found = [self.result_file, f"{to_text(self.id)}.{ARGUMENTS}" if self.files & Files.ARGUMENTS else None]
        return [name for name in found if name is not None]


_OF_A_TASK = ("unbury", "delete_task", "delete_context", "delete_ties", "delete_members", "forget_stream")
"""What deletes the few rows that there are of a task."""
_OF_ITS_ATTEMPTS = ("delete_attempts", "delete_marks", "delete_output", "delete_progress", "delete_profiles")
"""What deletes so many of the rows that there may be thousands of."""


class Archive:
    """The ended part of a journal. ``begin`` opens a transaction on its connection."""

    def __init__(self, connection: sqlite3.Connection, begin: Callable[[], None]) -> None:
        self._connection = connection
        self._begin = begin

    # -- looking -----------------------------------------------------------------------------------------------

    def dead(self, query: DeadQuery) -> tuple[list[Place], Place | None]:
        """The next dead letters, latest first, and the place to go on from (None at the end).

        There may be none among those that were looked at, and more behind them.
        """
        found: list[Place] = []
        place = query.place
        rows = self._connection.execute(SQL["dead"], (*place, query.after, _SCAN)).fetchall()
        for ended, task_id, name in rows:
            place = (ended, task_id)
            if not query.name or fnmatchcase(name, query.name):
                found.append(place)
                if len(found) == query.most:
                    return found, place
        return found, place if len(rows) == _SCAN else None

    def stored(self, task_id: bytes) -> tuple[StoredTask, int] | None:
        """A task as a restart would load it, and how often it was taken up again before; None when there is none."""
        row = self._connection.execute(SQL["stored"], (task_id,)).fetchone()
        return (stored_task(row[:-1]), int(row[-1])) if row else None

    def attempts(self, task_id: bytes) -> list[AttemptRow] | None:
        """The latest attempts of a task that have ended, in their order; None when there is no task."""
        row = self._connection.execute(SQL["seq_of"], (task_id,)).fetchone()
        if row is None:
            return None
        seq = int(row[0])
        found: list[AttemptRow] = []
        size = 0
        (until,) = self._connection.execute(SQL["ended_before"], (seq,)).fetchone()
        for lease, *told in self._connection.execute(SQL["attempts"], {"seq": seq, "most": _HISTORY}).fetchall():
            found.append(self._attempt(seq, lease, until, *told))
            until = lease
            size += len(found[-1].output) + len(found[-1].error.traceback)
            if size > _HISTORY_CHARACTERS:
                break
        return found[::-1]

    def _attempt(self, seq: int, lease: int, until: int, *told: object) -> AttemptRow:
        """An attempt, with what was printed under the leases up to the next: its handler's words belong to it."""
        number, worker, started, ended, cause, kind, message, traceback, stack = told
        printed = self._connection.execute(SQL["output"], (seq, max(lease, 1), until - 1)).fetchall()
        output = "".join(text for (text,) in printed)
        span = (seq, max(lease, 1), until - 1)
        progress = self._connection.execute(SQL["progress"], span).fetchone()
        profile = self._connection.execute(SQL["profile"], span).fetchone()
        plain = (number, worker, started, ended, cause, (kind, message, traceback), stack, output, progress, profile)
        return msgspec.convert(plain, AttemptRow)

    # -- deleting ----------------------------------------------------------------------------------------------

    def span(self, after: int, rows: int) -> tuple[int, int]:
        """How many of the next so many rows in the order of arrival there are, and where they end."""
        count, last = self._connection.execute(SQL["span"], (after, rows)).fetchone()
        return int(count), int(last or after)

    def due(self, first: int, last: int, most: int, retention: Retention, wall: float) -> list[Remainder]:
        """The first rows of a span of which something may be due."""
        times = {"dead": retention.dead_seconds, "result": retention.result_ttl, "record": retention.record_ttl}
        span = {"first": first, "last": last, "most": most, "wall": wall}
        rows = self._connection.execute(SQL["sweep"], {**span, **times}).fetchall()
        keyed = self._connection.execute(SQL["keyed_between"], (first, last)).fetchall() if rows else []
        needed = {seq: _needed_until(*keys) for seq, *keys in keyed}
        return [_remainder(row, needed.get(row[0], 0.0)) for row in rows]

    def families(self, first: int, last: int) -> dict[int, list[bytes]]:
        """The groups of the tasks of a span, by seq."""
        found: dict[int, list[bytes]] = {}
        for seq, family in self._connection.execute(SQL["grouped_between"], (first, last)):
            found.setdefault(seq, []).append(family)
        return found

    def find(self, task_id: bytes) -> Remainder | None:
        """One row; None when there is none."""
        row = self._connection.execute(SQL["remainder"], (task_id,)).fetchone()
        return _remainder(row) if row else None

    def forget(self, tasks: list[int], results: list[int], most: int) -> tuple[int, list[str]]:
        """Delete the results of ``results`` and the records of ``tasks``, all ended, in one transaction. How many of
        the tasks are gone: the first ones, for with more than ``most`` rows of history it stops before the end. A task
        may have run a hundred thousand times. Also the names of the files of items that are gone.
        """
        files: list[str] = []
        self._begin()
        try:
            gone = self._forget_history(tasks, most, files)
            for statement in _OF_A_TASK:
                self._connection.executemany(SQL[statement], [(seq,) for seq in tasks[:gone]])
            self._connection.executemany(SQL["drop_result"], [(seq,) for seq in results])
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return gone, files

    def _forget_history(self, tasks: list[int], most: int, files: list[str]) -> int:
        for gone, seq in enumerate(tasks):
            for statement in _OF_ITS_ATTEMPTS:
                most -= self._connection.execute(SQL[statement], {"seq": seq, "most": most}).rowcount
            if most > 0:
                most -= self._forget_items(seq, most, files)
            if most <= 0:
                return gone  # there may be more of it
        return len(tasks)

    def _forget_items(self, seq: int, most: int, files: list[str]) -> int:
        rows = self._connection.execute(SQL["first_items"], (seq, most)).fetchall()
        if rows:
            lease, number, _ = rows[-1]
            self._connection.execute(SQL["delete_items"], {"seq": seq, "lease": lease, "number": number})
        if any(file for *_, file in rows):
            (task_id,) = self._connection.execute(SQL["id_of"], (seq,)).fetchone()
            files += [f"{to_text(task_id)}.{item_suffix(lease, number)}" for lease, number, file in rows if file]
        return len(rows)


def _remainder(row: Sequence[Any], until: float = 0.0) -> Remainder:
    seq, task_id, state, ended, kept, files, own = row
    return Remainder(seq, task_id, files, Remains(State(state), ended, bool(kept), own, until))


def _needed_until(text: str, created: float, started: float | None) -> float:
    """Until when a restart has to find a task in the journal, for it holds a key for a period, or counts in a rate."""
    keys = _decode_keys(text)
    unique, rate = keys.unique, keys.rate
    held = created + unique.seconds if unique is not None and unique.until == "period" else 0.0
    return max(held, started + rate.seconds if rate is not None and started is not None else 0.0)
