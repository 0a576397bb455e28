"""Bringing a journal to the schema of this version, one numbered step after the other."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from supervisor.journal.statements import SCHEMA, read

APPLICATION_ID = 0x53565251  # "SVRQ"
STEPS: tuple[Callable[[], str], ...] = (
    lambda: SCHEMA,
    lambda: read("step_2.sql"),
    lambda: read("step_3.sql"),
    lambda: read("step_4.sql"),
    lambda: read("step_5.sql"),
    lambda: read("step_6.sql"),
    lambda: read("step_7.sql"),
    lambda: read("step_8.sql"),
    lambda: read("step_9.sql"),
    lambda: read("step_10.sql"),
)
"""What leads from version n to n + 1, by n."""
VERSION = len(STEPS)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the journal to :data:`VERSION`; sqlite3.DatabaseError when it is newer, or no journal at all."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if version > VERSION:
        raise sqlite3.DatabaseError(f"it was written by a newer version (schema {version}, this one knows {VERSION})")
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if tables and application != APPLICATION_ID:
        raise sqlite3.DatabaseError("it is a database of something else")
    for number in range(version, VERSION):
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{STEPS[number]()}\nPRAGMA application_id = {APPLICATION_ID};"
            f"\nPRAGMA user_version = {number + 1};\nCOMMIT;"
        )
