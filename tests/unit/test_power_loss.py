"""Power lost at every write: what ``full`` acknowledged is there, and whatever is there is whole."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from supervisor.core.agenda import Agenda
from supervisor.core.book import Book
from supervisor.core.capacity import Capacity
from supervisor.core.kind import Defaults, Kinds
from supervisor.core.moment import Moment
from supervisor.ids import new_id
from supervisor.journal.journal import Durability, Journal
from supervisor.wire.messages import Hello, Outcome, Report, Submission
from tests.support.disk import Disk, RecordedJournal
from tests.support.unfinished import unfinished

NOW = Moment(1000.0, 1_700_000_000.0)
TURNS = 20
SHARES = (0.0, 0.5, 1.0)
"""How much of what was not fsynced is there all the same: nothing, some sectors, all."""


class Story:
    """A journal to which turns are written, and after how many deeds of the disk each was acknowledged."""

    def __init__(self, folder: Path, durability: Durability) -> None:
        self.disk = Disk(f"{folder.name}-{durability}")
        self.journal = RecordedJournal(folder / "journal.db", durability, self.disk)
        self.began = len(self.disk.deeds)
        self.submitted: list[tuple[int, list[bytes]]] = []
        """The acknowledged submits: after how many deeds, and which."""
        self._book = Book(Agenda(Kinds(Defaults()), Capacity(10_000)))
        self._worker = self._book.hello(Hello(1, 1, 1, 1))

    def tell(self, chance: random.Random) -> None:
        """Submits, starts and ends, with payloads from one byte to several pages, and checkpoints in between."""
        for turn in range(TURNS):
            ids = [new_id() for _ in range(chance.randint(1, 3))]
            for task_id in ids:
                payload = chance.randbytes(chance.choice((1, 200, 9000)))
                self._book.agenda.submit(Submission(task_id, "t", payload), NOW)
            self._commit()
            self.submitted.append((len(self.disk.deeds), ids))
            self._book.ask(self._worker, 2, NOW)
            leases = [lease for handout in self._book.assign(NOW) for lease in handout.leases]
            self._commit()
            for lease in leases:
                self._book.complete(self._worker, Report(lease.number, Outcome.SUCCEEDED, b"r" * 50), NOW)
            self._commit()
            if turn % 8 == 7:
                self.journal.checkpoint(chance.choice(("PASSIVE", "RESTART", "TRUNCATE")))

    def _commit(self) -> None:
        self.journal.write(self._book.agenda.take_changes(NOW))

    def moments(self) -> range:
        """Every moment at which power may be lost."""
        return range(self.began, len(self.disk.deeds) + 1)


def images(story: Story, folder: Path, chance: random.Random) -> Iterator[tuple[int, float, Path]]:
    for moment in story.moments():
        for share in SHARES:
            for old in folder.iterdir():
                old.unlink()
            story.disk.image(moment, folder, chance, share)
            yield moment, share, folder / "journal.db"


def ids_in(path: Path) -> list[bytes]:
    """What a new broker finds, by the real journal; and SQLite finds no fault."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    journal = Journal(path, Durability.FULL)
    try:
        unfinished(journal)
        return [task_id for (task_id,) in journal._connection.execute("SELECT id FROM tasks ORDER BY seq")]
    finally:
        journal.close()


@pytest.mark.parametrize("durability", [Durability.FULL, Durability.NORMAL])
def test_power_lost_at_any_write(tmp_path: Path, durability: Durability) -> None:
    written, found = tmp_path / durability, tmp_path / "found"
    written.mkdir()
    found.mkdir()
    chance = random.Random(5)
    story = Story(written, durability)
    story.tell(chance)
    order = [task_id for _, ids in story.submitted for task_id in ids]
    looked = 0
    for moment, share, path in images(story, found, chance):
        present = ids_in(path)
        assert present == order[: len(present)], f"power lost before deed {moment}, of which {share:.0%} is there"
        if durability is Durability.FULL or share == 1.0:
            promised = sum(len(ids) for acknowledged, ids in story.submitted if acknowledged <= moment)
            assert len(present) >= promised, f"power lost before deed {moment}, of which {share:.0%} is there"
        looked += 1
    story.journal.close()
    assert looked > 300


def test_without_the_fsync_of_full_a_submit_may_be_lost(tmp_path: Path) -> None:
    """That the test above can fail: at ``normal``, which does not promise it, it would."""
    found = tmp_path / "found"
    found.mkdir()
    chance = random.Random(5)
    story = Story(tmp_path, Durability.NORMAL)
    story.tell(chance)
    order = sum(len(ids) for _, ids in story.submitted)
    story.disk.image(len(story.disk.deeds), found, chance, 0.0)
    assert len(ids_in(found / "journal.db")) < order
    story.journal.close()
