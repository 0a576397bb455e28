"""Copying what can still be read out of a damaged journal into a new one. The damaged one is only read.

A damaged page hides the rows on it, and no others, as long as it is not one that leads to others. So a table is read in
ranges of ``seq``, and a range that cannot be read is split, down to single rows.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.errors import JournalError
from supervisor.journal.migrate import APPLICATION_ID, migrate
from supervisor.journal.statements import SQL

_Row = tuple[Any, ...]
_BOUNDS = (
    "SELECT max(seq) FROM tasks",
    "SELECT seq FROM tasks ORDER BY id DESC LIMIT 1",
    "SELECT (max(block) << 10) + 1023 FROM open_blocks",
    "SELECT max(seq) FROM attempts",
    "SELECT max(seq) FROM output",
)
"""Where the highest seq may be found."""


@dataclass(slots=True)
class Saved:
    """What became of one table."""

    table: str
    rows: int = 0
    lost: int = 0
    """Places that cannot be read: rows at most, for some may have held none."""
    reason: str = ""
    """Why what is lost cannot be read, by SQLite's word."""


def examine(path: Path) -> list[Saved]:
    """What could be read of each table, without writing anything. Raises JournalError where nothing can."""
    with closing(_open(path)) as damaged:
        return [_walk(damaged, table, None) for table in _tables(damaged, path)]


def salvage(path: Path, new: Path) -> list[Saved]:
    """Copy what can be read into a new journal, which must not exist yet.

    Raises JournalError where there is one already, or where nothing can be read at all.
    """
    if new.exists():
        raise JournalError(str(new), "it exists already, and is not written over; name another file")
    with closing(_open(path)) as damaged:
        tables = _tables(damaged, path)
        os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(new, isolation_level=None)) as fresh:
            fresh.execute("PRAGMA journal_mode = WAL")
            migrate(fresh)
            fresh.execute("BEGIN IMMEDIATE")
            found = [_walk(damaged, table, fresh) for table in tables]
            fresh.execute(SQL["find_open_blocks"])
            fresh.execute("COMMIT")
            fresh.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return found


def _open(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise JournalError(str(path), "there is none")
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=5.0)


def _tables(damaged: sqlite3.Connection, path: Path) -> list[str]:
    try:
        application = int(damaged.execute("PRAGMA application_id").fetchone()[0])
        names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
        found = [str(name) for (name,) in damaged.execute(names)]
    except sqlite3.DatabaseError as error:
        raise JournalError(str(path), f"{error}; its first pages are gone: only a backup can help") from error
    if application != APPLICATION_ID:
        raise JournalError(str(path), "it is a database of something else")
    return found


def _walk(damaged: sqlite3.Connection, table: str, fresh: sqlite3.Connection | None) -> Saved:
    """Read a table, and write what there is into ``fresh``, as far as it has the columns."""
    saved = Saved(table)
    columns = [str(row[1]) for row in damaged.execute(f"PRAGMA table_info({table})")]
    if fresh is not None:
        known = {str(row[1]) for row in fresh.execute(f"PRAGMA table_info({table})")}
        columns = [column for column in columns if column in known]
        if not columns:
            return saved
    insert = f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    select = f"SELECT {', '.join(columns)} FROM {table}"
    rows = _ranges(damaged, select, columns.index("seq"), saved) if "seq" in columns else _all(damaged, select, saved)
    for row in rows:
        saved.rows += 1
        if fresh is not None:
            fresh.execute(insert, row)
    return saved


def _all(damaged: sqlite3.Connection, select: str, saved: Saved) -> Iterator[_Row]:
    try:
        yield from damaged.execute(select)
    except sqlite3.DatabaseError as error:
        saved.lost, saved.reason = saved.lost + 1, str(error)


def _ranges(damaged: sqlite3.Connection, select: str, place: int, saved: Saved) -> Iterator[_Row]:
    ranges = [(0, _bound(damaged))]
    while ranges:
        first, last = ranges.pop()
        reached = first - 1
        try:
            for row in damaged.execute(f"{select} WHERE seq BETWEEN ? AND ? ORDER BY seq", (first, last)):
                yield row
                reached = row[place]
        except sqlite3.DatabaseError as error:
            saved.reason = str(error)
            # The rows of one seq come together; where only some of them came, the others are on the page that is gone.
            begin = reached + 1
            if begin >= last:
                saved.lost += 1
                continue
            middle = (begin + last) // 2
            ranges += [(middle + 1, last), (begin, middle)]


def _bound(damaged: sqlite3.Connection) -> int:
    found = [0]
    for question in _BOUNDS:
        try:
            row = damaged.execute(question).fetchone()
        except sqlite3.DatabaseError:
            continue
        if row is not None and row[0] is not None:
            found.append(int(row[0]))
    return max(found)
