"""The journal as those read it who are not its writer: whether its supervisor runs or not, and without holding it up.

A task that was handed out with others in one call reads as queued here until its end, or until its broker was asked.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import quote

from supervisor.errors import JournalError, UnknownTaskError
from supervisor.ids import id_of, to_text
from supervisor.journal.archive import Archive
from supervisor.journal.migrate import VERSION
from supervisor.journal.rows import read_task
from supervisor.journal.statements import SQL
from supervisor.journal.talks import Talks
from supervisor.records import AttemptRecord, TaskRecord, attempt_of, record_of
from supervisor.states import State
from supervisor.wire.talks import Place, Said

_DEAD_WINDOW = 1000
_WHOLE_ID = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which tasks a list is to show; what is empty holds for all."""

    states: tuple[State, ...] = ()
    name: str = ""
    """A task's name, in which ``*``, ``?`` and ``[…]`` mean what they do in file names."""
    queue: str = ""
    since: float = 0.0
    """Submitted at this wall-clock time, or later."""
    before: int = 0
    """Only those that came before the one with this number; 0 for all."""
    most: int = 50


@dataclass(frozen=True, slots=True)
class TaskLine:
    """A task, as a list shows it."""

    seq: int
    """Its number in the order of arrival."""
    id: str
    name: str
    queue: str
    state: State
    priority: int
    attempts: int
    """How many have ended otherwise than by success."""
    created_at: float
    due_at: float | None
    started_at: float | None
    ended_at: float | None


class History:
    """An open journal. Every call sees it at one moment."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._talks = Talks(connection)

    @property
    def connection(self) -> sqlite3.Connection:
        """For further reading."""
        return self._connection

    def tasks(self, wanted: Wanted) -> list[TaskLine]:
        """The tasks that match, the latest first."""
        found = self._connection.execute(
            SQL["list"],
            {
                "states": f",{','.join(wanted.states)}," if wanted.states else "",
                "name": wanted.name,
                "queue": wanted.queue,
                "since": wanted.since,
                "before": wanted.before or 1 << 62,
                "most": wanted.most,
            },
        )
        return [
            TaskLine(seq, to_text(task_id), name, queue, State(state), *rest)
            for seq, task_id, name, queue, state, *rest in found
        ]

    def find(self, text: str) -> str:
        """The id that begins, or ends, with these digits. UnknownTaskError where it is none, or several."""
        digits = text.strip().lower().replace("-", "")
        if len(digits) >= _WHOLE_ID or not digits or set(digits) - set("0123456789abcdef"):
            return to_text(id_of(text))
        found = [row[0] for row in self._connection.execute(SQL["find"], {"digits": digits})]
        if len(found) > 1:
            raise UnknownTaskError(
                text, "several ids begin or end so, and which is meant cannot be told; name more of it"
            )
        if not found:
            raise UnknownTaskError(text)
        return to_text(found[0])

    def task(self, task_id: str) -> TaskRecord:
        """A task. Raises UnknownTaskError."""
        row = read_task(self._connection, id_of(task_id), with_result=False)
        if row is None:
            raise UnknownTaskError(task_id)
        return record_of(row)

    def attempts(self, task_id: str) -> list[AttemptRecord]:
        """Its attempts that have ended, in their order. Raises UnknownTaskError."""
        rows = Archive(self._connection, lambda: None).attempts(id_of(task_id))
        if rows is None:
            raise UnknownTaskError(task_id)
        return [attempt_of(row) for row in rows]

    def said(self, task_id: str) -> Iterator[Said]:
        """What it has printed and logged, piece by piece. Raises UnknownTaskError."""
        row = self._connection.execute(SQL["seq_of"], (id_of(task_id),)).fetchone()
        if row is None:
            raise UnknownTaskError(task_id)
        place, more = Place(), True
        while more:
            pieces, more = self._talks.said(row[0], place)
            yield from pieces
            if pieces:
                place = Place(pieces[-1].lease, pieces[-1].piece)

    def dead_rows(self, before: tuple[float, bytes], since: float, most: int) -> list[tuple[float, bytes, str]]:
        """The dead letters that ended before one, the latest first: (ended_at, id, name)."""
        return self._connection.execute(SQL["dead"], (*before, since, most)).fetchall()

    def dead(self, name: str = "", since: float = -math.inf) -> Iterator[TaskRecord]:
        """The dead letters whose name matches, the latest end first, back to that wall-clock time."""
        place: tuple[float, bytes] = (math.inf, b"")
        while rows := self.dead_rows(place, since, _DEAD_WINDOW):
            for ended_at, task_id, own in rows:
                place = (ended_at, task_id)
                if not name or fnmatchcase(own, name):
                    with suppress(UnknownTaskError):  # dropped meanwhile
                        yield self.task(to_text(task_id))

    def dead_letters(self) -> int:
        """How many dead letters there are."""
        (found,) = self._connection.execute(SQL["count_dead"]).fetchone()
        return int(found)

    def counts(self) -> dict[str, int]:
        """How many tasks there are in each state."""
        return dict(self._connection.execute(SQL["counts"]).fetchall())


@contextmanager
def read(path: Path) -> Generator[History]:
    """Open a journal to read it only; JournalError where that cannot be."""
    if not path.exists():
        raise JournalError(
            str(path),
            'there is none; at durability "off" nothing is written, and a new one is made when a supervisor starts',
        )
    try:
        connection = _connect(path)
    except sqlite3.Error as error:
        raise JournalError(str(path), str(error)) from error
    try:
        connection.execute("PRAGMA busy_timeout = 5000")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            raise JournalError(
                str(path),
                f"it has schema {version}, this version reads {VERSION}; start a supervisor of this version on it once",
            )
        yield History(connection)
    except sqlite3.Error as error:
        raise JournalError(str(path), str(error)) from error
    finally:
        connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    """Read-only. Where its folder cannot be written to, nobody writes the journal either unless its log is there."""
    where = f"file:{quote(str(path.absolute()))}?mode=ro"
    connection = sqlite3.connect(where, uri=True, isolation_level=None)
    try:
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
    except sqlite3.DatabaseError as error:
        connection.close()
        if not isinstance(error, sqlite3.OperationalError):
            raise
        if Path(f"{path}-wal").exists():
            raise
        connection = sqlite3.connect(f"{where}&immutable=1", uri=True, isolation_level=None)
    return connection
