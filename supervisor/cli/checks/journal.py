"""Whether the journal is sound, looked at without writing to it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from supervisor.cli.checks.finding import Finding, fault, ok, warning
from supervisor.cli.text import count, duration
from supervisor.journal.migrate import APPLICATION_ID, VERSION

_SUBJECT = "journal"
_SECONDS = 10.0
"""SQLite's log cannot begin anew while we read."""
_STEPS = 20_000
_MOST_FAULTS = 3


def check(path: Path) -> Iterator[Finding]:
    """Its schema and SQLite's quick check, for at most ten seconds; beside a supervisor that runs, too."""
    if not path.exists():
        return
    try:
        # Not `immutable`: what a killed broker left in the log is part of it.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)) as connection:
            yield from _schema(connection)
            yield _integrity(connection)
    except sqlite3.Error as error:
        yield fault(_SUBJECT, f"{path} cannot be read: {error}; `supervisor doctor` says what can be done")


def _schema(connection: sqlite3.Connection) -> Iterator[Finding]:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    if tables and application != APPLICATION_ID:
        yield fault(_SUBJECT, "it is a database of something else; choose another dir")
    elif version > VERSION:
        yield fault(_SUBJECT, f"a newer version wrote it (schema {version}, this one knows {VERSION}); upgrade")


def _integrity(connection: sqlite3.Connection) -> Finding:
    until = time.monotonic() + _SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
    try:
        faults = [str(row[0]) for row in connection.execute(f"PRAGMA quick_check({_MOST_FAULTS})")]
        tasks = int(connection.execute("SELECT count(*) FROM tasks").fetchone()[0]) if faults == ["ok"] else 0
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        return warning(_SUBJECT, f"it is large: no fault was found in {duration(_SECONDS)}, but not all was looked at")
    if faults != ["ok"]:
        return fault(_SUBJECT, f"it is damaged ({'; '.join(faults)}); `supervisor doctor` says what can be saved of it")
    return ok(_SUBJECT, f"it is sound ({count(tasks, 'task')})")
