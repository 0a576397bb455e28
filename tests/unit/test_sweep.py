"""The sweep on a real journal: what goes, what stays, and how much a step deletes at most."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.core.agenda import Agenda
from supervisor.core.book import Book
from supervisor.core.capacity import Capacity
from supervisor.core.dealer import BatchPolicy
from supervisor.core.entry import Entry
from supervisor.core.keys import NO_KEYS, Keys, Rate, Unique
from supervisor.core.kind import Defaults, Kinds
from supervisor.core.moment import Moment
from supervisor.core.retention import Retention
from supervisor.ids import new_id, to_text
from supervisor.journal.journal import Durability, Journal
from supervisor.journal.removal import Remover
from supervisor.journal.rows import Pieces
from supervisor.journal.sweep import MOST_HISTORY, Sweeper
from supervisor.wire.messages import ErrorData, Files, Hello, Outcome, Report, Submission
from supervisor.wire.options import NO_OPTIONS, Options
from tests.support.waiting import until

NOW = Moment(1000.0, 1e9)
DAY = 86400.0


class Store:
    """A journal with tasks that have ended at a known time."""

    def __init__(self, folder: Path) -> None:
        self.payloads = folder / "payloads"
        self.payloads.mkdir()
        self.journal = Journal(folder / "journal.db", Durability.NORMAL)
        self.remover = Remover(self.payloads)
        self.book = Book(Agenda(Kinds(Defaults(max_retries=0)), Capacity(10**7)), BatchPolicy(1000, 10.0))
        self.worker = self.book.hello(Hello(1, 1, 1, 1))
        self.book.dealer.pace.saw("t", 1e-6)

    def add(
        self, count: int = 1, now: Moment = NOW, options: Options = NO_OPTIONS, keys: Keys = NO_KEYS
    ) -> list[bytes]:
        """Tasks that wait."""
        made = [new_id() for _ in range(count)]
        for task_id in made:
            self.book.agenda.submit(
                Submission(task_id, "t", b"x" * 200, options, files=Files.ARGUMENTS, keys=keys), now
            )
            (self.payloads / f"{to_text(task_id)}.args").write_bytes(b"x")
        self.commit(now)
        return made

    def end(self, now: Moment = NOW, outcome: Outcome = Outcome.SUCCEEDED, files: int = 0) -> list[Entry]:
        """All that wait end."""
        ended: list[Entry] = []
        while self.book.ask(self.worker, 1000, now) == 0 and (handouts := self.book.assign(now)):
            self.commit(now)
            for lease in list(handouts[0].leases):
                report = Report(lease.number, outcome, b"" if files else b"r" * 50, ErrorData("E", "m", "t" * 500))
                if files:
                    report = Report(lease.number, outcome, b"", None, files=files)
                    (self.payloads / f"{to_text(lease.entry.id)}.result").write_bytes(b"r")
                self.book.complete(self.worker, report, now)
                ended.append(lease.entry)
            self.commit(now)
        return ended

    def commit(self, now: Moment) -> None:
        changes = self.book.agenda.take_changes(now)
        printed = [
            (seq, entry.lease, 1, now.wall, "printed\n") for seq, entry in changes.touched.items() if entry.lease
        ]
        self.journal.write(changes, Pieces(output=list(printed)))

    def run_often(self, entries: list[Entry], times: int) -> None:
        """Give tasks that have ended the history of many attempts."""
        connection = self.journal._connection
        connection.execute("BEGIN")
        for entry in entries:
            leases = range(10**9, 10**9 + times)
            connection.executemany(
                "INSERT INTO attempts VALUES (?, ?, 1, 1, 1, 1e9, 1e9, 'exception', 'E', 'm', ?, NULL)",
                [(entry.seq, lease, "t" * 500) for lease in leases],
            )
            connection.executemany(
                "INSERT INTO output VALUES (?, ?, 1, 1e9, 'printed')", [(entry.seq, lease) for lease in leases]
            )
        connection.execute("COMMIT")

    def sweep(self, keep: Retention, wall: float, most: int = 10**6) -> None:
        """One whole walk, or so many steps of it."""
        sweeper = Sweeper(self.journal.archive, self.remover, keep)
        for _ in range(most):
            sweeper.step(Moment(0.0, wall))
            if sweeper.next_time >= 0.5:
                break

    def rows(self, table: str = "tasks") -> int:
        return int(self.journal._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def files(self) -> list[str]:
        return sorted(path.suffix for path in self.payloads.iterdir() if not path.name.startswith("."))

    def close(self) -> None:
        self.remover.close()
        self.journal.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path)
    yield made
    made.close()


KEEP = Retention(result_ttl=7 * DAY, record_ttl=DAY, dead_ttl=30 * DAY)


def test_results_and_their_records_go_together(store: Store) -> None:
    store.add(5)
    store.end(files=Files.RESULT)
    store.sweep(KEEP, NOW.wall + 7 * DAY - 1)
    assert (store.rows(), len(store.files())) == (5, 10)
    store.sweep(KEEP, NOW.wall + 7 * DAY + 1)
    assert (store.rows(), store.rows("output"), store.files()) == (0, 0, [])
    until(lambda: not list(store.payloads.iterdir()), "the removal of every file")


def test_a_task_chooses_how_long_its_result_is_kept(store: Store) -> None:
    short = store.add(options=Options(result_ttl=60.0))[0]
    long = store.add(options=Options(result_ttl=90 * DAY))[0]
    store.end(files=Files.RESULT)
    store.sweep(KEEP, NOW.wall + 61)
    row = store.journal.task(short, with_result=True)
    assert row is not None, "its record is kept for a day"
    assert (row.files & Files.RESULT, row.result) == (0, None)
    assert store.files() == [".args", ".args", ".result"]
    store.sweep(KEEP, NOW.wall + 8 * DAY)
    assert store.journal.task(short, with_result=True) is None
    assert store.journal.task(long, with_result=True) is not None


def test_what_returned_nothing_to_keep_goes_after_a_day(store: Store) -> None:
    store.add(3, options=Options(store_result=False))
    store.end(files=0)
    store.journal._connection.execute("UPDATE tasks SET result = x''")  # as a worker reports it
    store.sweep(KEEP, NOW.wall + DAY + 1)
    assert store.rows() == 0


@pytest.mark.parametrize("keep", [KEEP, Retention(1.0, 1.0, None)])
def test_dead_letters_are_kept_apart(store: Store, keep: Retention) -> None:
    store.add(4)
    store.end(outcome=Outcome.RAISED)
    store.sweep(keep, NOW.wall + 29 * DAY)
    assert (store.rows(), store.rows("attempts")) == (4, 4)
    store.sweep(keep, NOW.wall + 31 * DAY)
    assert store.rows() == (0 if keep.dead_ttl else 4)


def test_what_has_not_ended_is_never_touched(store: Store) -> None:
    store.add(3)
    store.book.ask(store.worker, 1, NOW)
    store.book.assign(NOW)
    store.commit(NOW)
    store.sweep(Retention(0.001, 0.001, 0.001), NOW.wall + 1e7)
    assert (store.rows(), len(store.files())) == (3, 3)


@pytest.mark.parametrize("keys", [Keys(unique=Unique("key", "period", 3 * DAY)), Keys(rate=Rate("key", 1000, 3 * DAY))])
def test_a_key_that_a_restart_has_to_know_keeps_its_record(store: Store, keys: Keys) -> None:
    store.add(keys=keys, options=Options(store_result=False))
    store.end()
    store.journal._connection.execute("UPDATE tasks SET result = x''")
    store.sweep(KEEP, NOW.wall + 2 * DAY)
    assert store.rows() == 1
    store.sweep(KEEP, NOW.wall + 3 * DAY + 1)
    assert store.rows() == 0


def test_strays_are_found_and_nothing_else_is_taken(store: Store) -> None:
    mine = store.add(now=Moment.now())[0]
    store.end(Moment.now())
    old = time.time() - 7200
    names = {
        f"{to_text(mine)}.args": False,
        f"{to_text(mine)}.result": True,  # of an attempt that was killed before it reported
        f"{to_text(new_id())}.args": True,  # of a client that was
        f".{to_text(new_id())}.args.77": True,
        f".{to_text(mine)}.result.gone": True,
    }
    for name in names:
        (store.payloads / name).write_bytes(b"x")
        os.utime(store.payloads / name, (old, old))
    fresh = f"{to_text(new_id())}.args"
    (store.payloads / fresh).write_bytes(b"x")
    store.sweep(KEEP, time.time())
    left = {name for name, stray in names.items() if not stray} | {fresh}
    until(lambda: {path.name for path in store.payloads.iterdir()} == left, "the strays' end")


def test_a_journal_that_cannot_be_written_is_left_for_later(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.add(2)
    store.end()
    store.journal._connection.execute("PRAGMA query_only = 1")
    store.sweep(KEEP, NOW.wall + 8 * DAY, most=1)
    assert "cannot be cleared away" in caplog.text
    store.journal._connection.execute("PRAGMA query_only = 0")
    store.sweep(KEEP, NOW.wall + 8 * DAY)
    assert store.rows() == 0


def test_a_task_that_ran_very_often_is_deleted_piece_by_piece(store: Store) -> None:
    store.add(20)
    store.run_often(store.end()[5:15], 2000)
    sweeper = Sweeper(store.journal.archive, store.remover, KEEP)
    before = rows = store.rows("attempts") + store.rows("output")
    while sweeper.next_time < 0.5:
        sweeper.step(Moment(0.0, NOW.wall + 8 * DAY))
        left = store.rows("attempts") + store.rows("output")
        assert rows - left <= MOST_HISTORY, "the queue waits for each step"
        rows = left
    assert (before, rows, store.rows()) == (40_020, 0, 0)
    assert store.files() == []


def test_nobody_who_asks_goes_through_the_whole_history_of_a_task(store: Store) -> None:
    (task_id,) = store.add()
    store.run_often(store.end(outcome=Outcome.RAISED), 20_000)
    steps: list[int] = []
    store.journal._connection.set_progress_handler(lambda: steps.append(1), 1000)
    row = store.journal.task(task_id, with_result=True)
    found = store.journal.archive.attempts(task_id)
    store.journal._connection.set_progress_handler(None, 0)
    assert row is not None
    assert (row.cause, found and len(found)) == ("exception", 200)
    assert len(steps) < 30, "thousands of steps of SQLite"


# -- what tasks said ---------------------------------------------------------------------------------------------


def say(store: Store, entry: Entry, items: int, files: int) -> None:
    """Give a task marks in its output and a stream, part of it in files."""
    lease, task_id = entry.lease, to_text(entry.id)
    rows = [(entry.seq, lease, number, int(number < files), b"x" * 100) for number in range(items)]
    for number in range(files):
        (store.payloads / f"{task_id}.item-{lease}-{number}").write_bytes(b"x")
    marks: list[tuple[object, ...]] = [(entry.seq, lease, 1, b"\x90")]
    pieces = Pieces(output=[(entry.seq, lease, 1, 0.0, "x")], marks=marks, items=list(rows))
    pieces.streams.append((entry.seq, lease, items))
    store.journal.write(store.book.agenda.take_changes(NOW), pieces)


def test_what_a_task_said_goes_with_its_record_in_steps_and_its_files_too(store: Store) -> None:
    store.add(2)
    first, second = store.end()
    say(store, first, items=3 * MOST_HISTORY, files=MOST_HISTORY + 5)
    keep = Retention(result_ttl=DAY, record_ttl=DAY, dead_ttl=DAY)
    store.sweep(keep, NOW.wall + DAY / 2)
    assert (store.rows("items"), store.rows("marks"), store.rows("streams")) == (3 * MOST_HISTORY, 1, 1)
    say(store, second, items=2, files=1)
    before = store.rows("items")
    sweeper = Sweeper(store.journal.archive, store.remover, keep)
    while sweeper.next_time < 0.5:
        sweeper.step(Moment(0.0, NOW.wall + 2 * DAY))
        assert before - store.rows("items") <= MOST_HISTORY, "no step deletes more"
        before = store.rows("items")
    assert [store.rows(table) for table in ("tasks", "output", "marks", "streams", "items")] == [0] * 5
    until(lambda: not store.files(), "the files gone")


def test_a_task_that_is_taken_up_again_begins_its_stream_anew(store: Store) -> None:
    store.add()
    (entry,) = store.end()
    say(store, entry, items=3, files=1)
    assert store.journal.talks.stream(entry.seq) == (entry.lease, 3)
    store.book.agenda.revive(entry, NOW)
    store.commit(NOW)
    assert store.journal.talks.stream(entry.seq) == (0, 0)
    assert len(store.files()) == 2, "its files go with the record"
