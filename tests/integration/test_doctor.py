"""A damaged journal: the supervisor refuses it with the remedy and leaves it as it is; the doctor saves what it can."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from supervisor import QueueUnavailableError, TaskQueue
from supervisor.errors import JournalError
from supervisor.journal.salvage import salvage
from tests.conftest import MakeTree
from tests.support import tasks
from tests.support.tree import RunningTree
from tests.support.waiting import until

TASKS = 3000
PAGE = 4096


@pytest.fixture
def journal(make_tree: MakeTree) -> Path:
    """Of a supervisor that was stopped with much in its queue."""
    tree = make_tree(workers=1, cpus="off")
    done = tree.queue.submit(tasks.add, 1, 2)
    tree.queue.wait(done)
    tree.queue.submit_many(
        tasks.add, [(number, 1) for number in range(TASKS)], config=tasks.add.options(delay=3600).config
    )
    assert tree.stop() == 0
    return tree.dir / "journal.db"


def leaves(journal: Path, table: str) -> list[int]:
    """The numbers of the pages on which the rows of a table lie, by SQLite's own word."""
    with closing(sqlite3.connect(journal)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0]
    data = journal.read_bytes()

    def below(page: int) -> list[int]:
        start = (page - 1) * PAGE
        if data[start] == 0x0D:  # a leaf of a table
            return [page]
        cells = int.from_bytes(data[start + 3 : start + 5])
        places = [int.from_bytes(data[start + 12 + 2 * n : start + 14 + 2 * n]) for n in range(cells)]
        children = [int.from_bytes(data[start + place : start + place + 4]) for place in places]
        last = int.from_bytes(data[start + 8 : start + 12])
        return [leaf for child in (*children, last) for leaf in below(child)]

    return below(root)


def spoil(journal: Path, page: int) -> bytes:
    """Overwrite a page with noise; what the file holds then."""
    with journal.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(os.urandom(PAGE))
    return journal.read_bytes()


def doctor(journal: Path, *arguments: str) -> tuple[int, dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-m", "supervisor", "doctor", "--dir", str(journal.parent), "--json", *arguments],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout)


def test_a_sound_journal_is_called_so(journal: Path) -> None:
    code, said = doctor(journal)
    assert (code, said["sound"], said["tables"]) == (0, True, [])


def test_what_can_be_read_is_saved_and_goes_on_in_a_new_journal(journal: Path, make_tree: MakeTree) -> None:
    pages = leaves(journal, "tasks")
    assert len(pages) > 20
    spoilt = spoil(journal, pages[len(pages) // 2])
    new = journal.with_name("salvaged.db")
    code, said = doctor(journal, "--salvage", str(new))
    assert (code, said["sound"]) == (1, False)
    found = {each["table"]: each for each in said["tables"]}  # type: ignore[attr-defined]
    kept = found["tasks"]["rows"]
    assert TASKS - 100 < kept < TASKS + 1
    assert kept + found["tasks"]["lost"] >= TASKS + 1
    assert journal.read_bytes() == spoilt, "only read"
    journal.rename(journal.with_suffix(".damaged"))
    for suffix in ("-wal", "-shm"):
        journal.with_name(journal.name + suffix).unlink(missing_ok=True)
    new.rename(journal)
    tree = make_tree(workers=1, cpus="off", name="tree")
    assert sum(tree.queue.stats().unfinished.values()) == kept - 1
    assert tree.queue.wait(tree.queue.submit(tasks.add, 2, 2), timeout=30).result == 4
    assert tree.stop() == 0


def test_a_journal_that_cannot_be_read_is_refused_and_left_as_it_is(journal: Path, make_tree: MakeTree) -> None:
    whole = journal.read_bytes()
    spoilt = os.urandom(PAGE) + whole[PAGE:]
    journal.write_bytes(spoilt)
    tree = make_tree(workers=1, cpus="off", start=False, name="tree").start(wait=False)
    until(
        lambda: tree.log.exists() and "`supervisor doctor` says what can be saved" in tree.log.read_text(), "a word", 20
    )
    queue = TaskQueue(tree.dir, timeout=0.5)
    with pytest.raises(QueueUnavailableError):
        queue.submit(tasks.add, 1, 2)
    queue.close()
    tree.stop()
    assert journal.read_bytes() == spoilt
    with pytest.raises(JournalError, match="only a backup can help"):
        salvage(journal, journal.with_name("salvaged.db"))


def test_damage_that_shows_only_later_is_told_too(journal: Path, make_tree: MakeTree) -> None:
    spoilt = spoil(journal, leaves(journal, "tasks")[0])
    tree: RunningTree = make_tree(workers=1, cpus="off", start=False, name="tree").start(wait=False)
    until(
        lambda: tree.log.exists() and "`supervisor doctor` says what can be saved" in tree.log.read_text(), "a word", 20
    )
    tree.stop()
    assert len(journal.read_bytes()) >= len(spoilt)


def test_it_says_what_to_do(journal: Path) -> None:
    spoil(journal, leaves(journal, "tasks")[3])
    command = [sys.executable, "-m", "supervisor", "doctor", "--dir", str(journal.parent)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "fault: " in done.stdout
    assert "Nothing was changed. Restore a backup, or save what can be read:" in done.stdout
    assert f"supervisor doctor --dir {journal.parent} --salvage" in done.stdout.replace("\n", "")


def test_a_file_that_exists_is_not_written_over(journal: Path) -> None:
    with pytest.raises(JournalError, match="it exists already"):
        salvage(journal, journal)
