"""A journal of every earlier schema is brought to this one, with all that is in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from supervisor.core.blocks import BITS
from supervisor.core.fired import Fired
from supervisor.core.missed import Misses
from supervisor.core.slots import Timing
from supervisor.ids import new_id
from supervisor.journal.journal import Durability, Journal
from supervisor.journal.migrate import APPLICATION_ID, STEPS, VERSION, migrate
from supervisor.journal.statements import SQL
from tests.support.unfinished import unfinished

EARLIER = range(1, VERSION)
STATES = ("queued", "running", "scheduled", "succeeded", "failed")


def old_journal(path: Path, version: int) -> dict[str, bytes]:
    """A journal of an earlier version with a task in each state, the unfinished in blocks far apart; ids by state."""
    ids = {state: new_id() for state in STATES}
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.execute("PRAGMA journal_mode = WAL")
        for number in range(version):
            old.executescript(STEPS[number]())
        old.executescript(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version};")
        for place, (state, task_id) in enumerate(ids.items()):
            seq = (place << BITS) + place + 1
            old.execute(
                "INSERT INTO tasks (seq, id, name, state, priority, generation, lease, worker, pid, failures, crashes,"
                " aborts, files, created_at, due_at, started_at, ended_at, options, payload, result)"
                " VALUES (?, ?, ?, ?, 3, 1, ?, 1, 7, 1, 0, 0, 0, 50.0, ?, ?, ?, '{}', ?, ?)",
                (
                    *(seq, task_id, f"app:{state}", state, place + 1 if state != "queued" else 0),
                    60.0 if state == "scheduled" else None,
                    55.0 if state not in ("queued", "scheduled") else None,
                    70.0 if state in ("succeeded", "failed") else None,
                    state.encode(),
                    b"42" if state == "succeeded" else None,
                ),
            )
        old.execute(
            "INSERT INTO attempts VALUES (?, 5, 2, 1, 7, 55.0, 70.0, 'exception', 'E', 'no', 'T', NULL)", (4097 + 4,)
        )
        if version >= 7:  # from there on whoever writes a task notes its block
            old.execute(SQL["find_open_blocks"])
        old.execute("INSERT INTO output (seq, lease, piece, at, text) VALUES (?, 5, 1, 56.0, 'said')", (4097 + 4,))
    return ids


@pytest.mark.parametrize("version", EARLIER)
def test_a_journal_of_an_earlier_version_is_brought_to_this_one_with_all_that_is_in_it(
    tmp_path: Path, version: int
) -> None:
    path = tmp_path / "journal.db"
    ids = old_journal(path, version)
    journal = Journal(path, Durability.FULL)
    try:
        assert [task.id for task in unfinished(journal)] == [ids["queued"], ids["running"], ids["scheduled"]]
        assert journal.open_blocks() == [0, 1, 2]
        assert {state: journal.payload(seq) for seq, state in ((1, "queued"), (1026, "running"))} == {
            "queued": b"queued",
            "running": b"running",
        }
        for state, task_id in ids.items():
            row = journal.task(task_id, with_result=True)
            assert row is not None
            assert (row.state, row.name, row.priority, row.created_at) == (state, f"app:{state}", 3, 50.0)
        succeeded, failed = (journal.task(ids[state], with_result=True) for state in ("succeeded", "failed"))
        assert succeeded is not None
        assert failed is not None
        assert succeeded.result == b"42"
        assert failed.error is not None
        assert (failed.error.message, failed.output) == ("no", "said")
    finally:
        journal.close()
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("version", [version for version in EARLIER if version > 1])
def test_a_schedule_of_an_earlier_version_is_as_it_was_and_has_missed_nothing(tmp_path: Path, version: int) -> None:
    path = tmp_path / "journal.db"
    old_journal(path, version)
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.execute(
            "INSERT INTO schedules (name, timing, paused, origin, seen, series, fired, open, last_slot, generation)"
            """ VALUES ('nightly', '{"cron":"0 3 * * *"}', 1, 5, 90, 2, '[[10,90]]', x'', 90, 4)"""
        )
    with closing(Journal(path, Durability.FULL)) as journal:
        (found,) = journal.schedules()
    assert (found.name, found.timing, found.paused, found.origin) == ("nightly", Timing(cron="0 3 * * *"), True, 5)
    assert (found.seen, found.fired, found.last_slot, found.generation) == (90, Fired([(10, 90)]), 90, 4)
    assert found.misses == Misses()


@pytest.mark.parametrize("version", EARLIER)
def test_a_journal_that_was_brought_up_has_the_schema_of_a_new_one(tmp_path: Path, version: int) -> None:
    old_journal(tmp_path / "old.db", version)
    Journal(tmp_path / "old.db", Durability.FULL).close()
    Journal(tmp_path / "new.db", Durability.FULL).close()
    assert _schema(tmp_path / "old.db") == _schema(tmp_path / "new.db")


@pytest.mark.parametrize("version", EARLIER)
def test_a_step_that_is_cut_short_leaves_the_journal_as_it_was(tmp_path: Path, version: int) -> None:
    path = tmp_path / "journal.db"
    old_journal(path, version)
    before = _schema(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as broken:
        broken.executescript(f"BEGIN IMMEDIATE; {STEPS[version]()}")
        broken.execute("ROLLBACK")  # what SQLite does with the log of one that was killed
    assert _schema(path) == before
    with closing(sqlite3.connect(path, isolation_level=None)) as again:
        migrate(again)
    with closing(Journal(path, Durability.FULL)) as journal:
        assert len(unfinished(journal)) == 3


def _schema(path: Path) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as other:
        return other.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").fetchall()
