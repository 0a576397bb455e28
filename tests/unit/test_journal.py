"""The journal: that it gives back the book it was told, what each durability level writes through, what it forgets."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from supervisor.broker.__main__ import open_book
from supervisor.broker.line import MasterLine
from supervisor.broker.output import OutputReader
from supervisor.broker.service import Service
from supervisor.core.agenda import Agenda
from supervisor.core.blocks import BITS
from supervisor.core.book import Book
from supervisor.core.capacity import Capacity
from supervisor.core.changes import Changes
from supervisor.core.entry import Death, Lease
from supervisor.core.kind import Defaults, Kinds
from supervisor.core.moment import Moment
from supervisor.core.retention import Retention
from supervisor.errors import JournalError, JournalFullError
from supervisor.ids import new_id, to_text
from supervisor.journal.checkpoint import Checkpointer
from supervisor.journal.journal import Durability, Journal
from supervisor.journal.migrate import APPLICATION_ID, VERSION
from supervisor.journal.payloads import PayloadCache
from supervisor.journal.removal import Remover
from supervisor.journal.rows import Pieces
from supervisor.journal.statements import SQL, parse
from supervisor.journal.sweep import Sweeper
from supervisor.scoreboard import Header, Held, Scoreboard, Word
from supervisor.settings import Settings
from supervisor.states import Cause, State
from supervisor.wire.channel import Alive, Channel, Roster
from supervisor.wire.messages import ErrorData, Files, Hello, Outcome, ProgressData, Report, Submission, TaskRow
from supervisor.wire.options import Options
from tests.support.bookmachine import ANY, BATCH, DEFAULTS, LIMIT, BookMachine, View, after, described, pick, view
from tests.support.unfinished import unfinished
from tests.support.waiting import until

NOW = Moment(1000.0, 1_700_000_000.0)
ROOT = Path(__file__).parents[2]


def welcome(book: Book, journal: Journal, board: Scoreboard, now: Moment, alive: list[Alive]) -> None:
    """What the master tells a new broker first, and what that makes of it."""
    ours, theirs = Channel.pair()
    service = Service(book, journal, board, OutputReader(book, board, 1000))
    service.now = now
    ours.send(Roster(alive))
    MasterLine(theirs, -1).receive(service, lambda worker: None)
    for end in (ours, theirs):
        end.close()


# -- the mirror -------------------------------------------------------------------------------------------------


def ended(lease: Lease) -> Cause:
    """What ends an attempt whose worker died with the whole tree. A cancel that the journal knows of holds."""
    return Cause.CANCELLED if lease.cancelling else Cause.ABORT


class JournaledBook(BookMachine):
    """Every turn is written to a real journal, and at any time the broker may die and a new one take over."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="journal-"))
        self.journal = Journal(self.folder / "journal.db", Durability.NORMAL)
        self.board = Scoreboard.create()
        self.board.put(Header.GENERATION, 9)
        self.committed = self.known.copy()
        self.kept: dict[bytes, tuple[object, ...]] = {}
        """What the last commit said of the tasks that were not over."""
        self.held: dict[int, tuple[bytes, int]] = {}

    def commit(self, changes: Changes) -> None:
        totals = self.book.agenda.kinds.tallies.tick(self.now.mono, self.now.wall, at_once=True)
        self.journal.write(changes, Pieces(totals=[*totals]))
        self.committed = self.known.copy()
        self.kept = {entry.id: described(entry) for entry in self.book.agenda.tasks.values()}
        self.held = {lease.number: (lease.entry.id, lease.worker) for lease in self.book.leases.values()}
        holding = {entry.seq >> BITS for entry in self.book.agenda.tasks.values()}
        open_now = set(self.journal.open_blocks())
        assert holding <= open_now
        assert len(open_now - holding) <= 1, "the newest"

    @rule()
    def count_on(self) -> None:
        """The next task is the last of a block of numbers: those behind it come into another."""
        self.book.agenda.count_from((((self.book.agenda.last_seq >> BITS) + 1) << BITS) + (1 << BITS) - 1)

    @rule(survivors=ANY, started=ANY)
    def restart(self, survivors: int, started: int) -> None:
        """What was not committed nobody was told of. Some of the workers live on, each with a lease it began last."""
        before = {worker.number: worker for worker in self.workers()}
        self.known = self.committed.copy()
        self.reload()
        alive: list[Alive] = []
        wanted: dict[bytes, View] = {}
        for place, (number, worker) in enumerate({**self.book.workers, **before}.items()):
            held = list(self.book.workers[number].leases) if number in self.book.workers else []
            if number in before and survivors >> place % 4 & 1:
                last = pick([0, *(lease.number for lease in held)], started)
                alive.append(Alive(number, worker.slot, worker.pid, worker.generation, last))
                cancelled = max((lease.number for lease in worker.leases if lease.cancelling), default=0)
                self.write_slot(alive[-1], held, cancelled)
                wanted |= self.back([lease for lease in held if lease.number > last], cancelled)
            else:
                wanted |= {each.entry.id: after(view(each.entry), each.entry.kind, ended(each)) for each in held}
                self.known.over += [lease.number for lease in held]
        with self.becomes(wanted):
            welcome(self.book, self.journal, self.board, self.now, alive)
        assert set(self.book.workers) == {each.worker for each in alive}

    def write_slot(self, living: Alive, held: list[Lease], cancelled: int) -> None:
        """The scoreboard as the worker and the old broker left it."""
        slot = self.board.slots[living.slot]
        slot.clear(living.worker)
        if held:
            slot.claim(held[0].number, 1)
        if living.lease:
            slot.start(living.lease, 1, 1, 1, 0)
        slot.put(Word.CANCEL_LEASE, cancelled)

    def reload(self) -> None:
        old, self.journal = self.journal, Journal(self.folder / "journal.db", Durability.NORMAL)
        old._connection.close()
        self.book = open_book(self.journal, SETTINGS, self.board, self.now)
        self.entries = dict(self.book.agenda.tasks)
        self.shortest = {}
        assert {entry.id: described(entry) for entry in self.book.agenda.tasks.values()} == self.kept
        assert {each.number: (each.entry.id, each.worker) for each in self.book.leases.values()} == self.held
        for entry in self.book.agenda.tasks.values():
            if entry.due is not None:
                assert entry.due.mono - self.now.mono == pytest.approx(entry.due.wall - self.now.wall, abs=0.05)
            assert self.journal.payload(entry.seq) == entry.kind.name.encode()
        self.known.returned.clear()
        self.known.hastened.clear()
        self.known.fresh = {entry.id for entry in self.book.agenda.tasks.values() if entry.state is State.QUEUED}

    def teardown(self) -> None:
        try:
            super().teardown()
            for task_id, ended in self.known.ended.items():
                found = self.journal.task(task_id, with_result=True)
                assert found is not None
                assert found.state == ended.state
                assert (found.result is not None) == (ended.state is State.SUCCEEDED)
            assert not unfinished(self.journal)
            assert sum(self.journal.counts().values()) == len(self.known.made)
        finally:
            self.journal.close()
            os.close(self.board.descriptor)
            shutil.rmtree(self.folder)


SETTINGS = Settings(
    timeout=DEFAULTS.timeout,
    soft_timeout=DEFAULTS.soft_timeout,
    max_retries=DEFAULTS.max_retries,
    retry_delay=DEFAULTS.retry_delay,
    retry_jitter=DEFAULTS.retry_jitter,
    crash_budget=DEFAULTS.crash_budget,
    abort_budget=DEFAULTS.abort_budget,
    memory_limit=DEFAULTS.memory_limit,
    queue_limit=LIMIT,
    batch_size=BATCH.size,
    batch_time=BATCH.seconds,
)

TestTheBookThroughRestarts = JournaledBook.TestCase
TestTheBookThroughRestarts.settings = settings(max_examples=40, stateful_step_count=30, report_multiple_bugs=False)


class Shelf:
    """A book with its journal, and one commit for each thing that happens."""

    def __init__(self, folder: Path, durability: Durability = Durability.NORMAL) -> None:
        self.path = folder / "journal.db"
        self.journal = Journal(self.path, durability)
        self.book = Book(Agenda(Kinds(Defaults(retry_delay=5.0, retry_jitter=0.0)), Capacity(100_000)))
        self.now = NOW

    def commit(self, pieces: Pieces | None = None) -> None:
        self.journal.write(self.book.agenda.take_changes(self.now), pieces or Pieces())

    def submit(self, count: int = 1, payload: bytes = b"", files: int = 0) -> list[bytes]:
        ids = [new_id() for _ in range(count)]
        for task_id in ids:
            self.book.agenda.submit(Submission(task_id, "task", payload, Options(timeout=5.0), files=files), self.now)
        self.commit()
        return ids

    def start(self, number: int = 1) -> Lease:
        worker = self.book.hello(Hello(number, 1, 4711, 1))
        self.book.ask(worker, 1, self.now)
        ((lease,),) = [handout.leases for handout in self.book.assign(self.now)]
        self.commit()
        return lease

    def report(self, lease: Lease, outcome: Outcome = Outcome.SUCCEEDED, result: bytes = b"", files: int = 0) -> None:
        error = None if outcome is Outcome.SUCCEEDED else ErrorData("builtins.ValueError", "no", "Traceback")
        report = Report(lease.number, outcome, result, error, files=files)
        assert self.book.complete(self.book.workers[lease.worker], report, self.now)
        self.commit()

    def pass_time(self, seconds: float) -> None:
        self.now = Moment(self.now.mono + seconds, self.now.wall + seconds)
        self.book.agenda.tick(self.now)

    def task(self, task_id: bytes) -> TaskRow:
        row = self.journal.task(task_id, with_result=True)
        assert row is not None
        return row

    def pragma(self, name: str) -> int:
        return int(self.journal._connection.execute(f"PRAGMA {name}").fetchone()[0])


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(tmp_path)
    yield made
    made.journal.close()


# -- the file ---------------------------------------------------------------------------------------------------


def test_a_journal_is_made_for_our_eyes_only_and_opened_again_as_it_is(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    (task_id,) = shelf.submit()
    assert (shelf.pragma("user_version"), shelf.pragma("application_id")) == (VERSION, APPLICATION_ID)
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    shelf.journal.close()
    with closing(Journal(shelf.path, Durability.FULL)) as again:
        assert again.state_of(task_id) == (1, State.QUEUED)
    assert [path.name for path in tmp_path.iterdir()] == ["journal.db"], "closing folds the log in"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION + 1}", "newer version"),
        ("CREATE TABLE users (name TEXT)", "something else"),
        ("CREATE TABLE users (name TEXT); PRAGMA application_id = 7; PRAGMA user_version = 1", "something else"),
    ],
)
def test_a_journal_of_a_newer_version_or_of_something_else_is_refused_and_left_alone(
    tmp_path: Path, script: str, reason: str
) -> None:
    path = tmp_path / "journal.db"
    with closing(sqlite3.connect(path)) as other:
        other.executescript(script)
        before = other.execute("SELECT sql FROM sqlite_schema").fetchall()
    with pytest.raises(JournalError, match=reason):
        Journal(path, Durability.FULL)
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT sql FROM sqlite_schema").fetchall() == before


def test_what_is_no_database_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "garbage").write_bytes(b"garbage" * 1000)
    (tmp_path / "folder").mkdir()
    for name in ("garbage", "folder", "missing/journal.db"):
        with pytest.raises(JournalError, match=f"the journal .*{name} cannot be used"):
            Journal(tmp_path / name, Durability.FULL)
    assert (tmp_path / "garbage").read_bytes() == b"garbage" * 1000


ONCE = (
    *("highest", "open_blocks", "find_open_blocks", "schedules", "queues", "keyed", "keyed_starts"),
    *("tied", "hooks", "totals", "configured", "take_up_handouts"),
)
"""What is read once, at the start."""


def test_every_statement_fits_the_schema_and_none_that_runs_often_walks_through_a_table(shelf: Shelf) -> None:
    for name, statement in SQL.items():
        named = dict.fromkeys(re.findall(r":(\w+)", statement), 1)
        values = named or (1,) * statement.count("?")
        plan = shelf.journal._connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
        if name not in ("counts", "count_dead", "changes", "find", *ONCE):  # of changes the latest are read, no more
            scans = [step for *_, step in plan if step.startswith("SCAN") and not step.startswith("SCAN (subquery")]
            assert not scans, name
    for name, outers in (("newcomers", 0), ("unfinished", 0), ("tied", 1)):
        walk = shelf.journal._connection.execute(f"EXPLAIN QUERY PLAN {SQL[name]}", {"block": 0}).fetchall()
        inner = [str(step[-1]) for step in walk]
        assert [inner.pop(0) for _ in range(outers)] == ["SCAN b"] * outers
        assert inner, walk
        assert all("USING INTEGER PRIMARY KEY (rowid" in step for step in inner), "nothing of the history, nor a sort"


def test_statements_are_found_by_the_names_above_them() -> None:
    assert parse("-- name: one\nSELECT 1;\n\n-- name: two\n-- why\nSELECT 2;\n") == {
        "one": "SELECT 1",
        "two": "-- why\nSELECT 2",
    }


# -- durability -------------------------------------------------------------------------------------------------

OFF, NORMAL, FULL = 0, 1, 2


def test_at_full_a_submit_is_fsynced_and_what_can_be_done_again_is_not(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, Durability.FULL)
    for _ in range(2):
        shelf.submit()
        assert shelf.pragma("synchronous") == FULL
        lease = shelf.start()
        assert shelf.pragma("synchronous") == NORMAL
        shelf.report(lease)
        assert shelf.pragma("synchronous") == NORMAL
    assert shelf.pragma("wal_autocheckpoint") == 0, "checkpoints fsync, so they are not done in the loop"
    shelf.journal.close()


def test_at_normal_nothing_is_fsynced_in_the_loop(shelf: Shelf) -> None:
    shelf.submit()
    assert shelf.pragma("synchronous") == NORMAL


def test_at_off_nothing_touches_the_disk(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, Durability.OFF)
    shelf.submit(100)
    shelf.report(shelf.start())
    assert not list(tmp_path.iterdir())
    assert shelf.journal.counts() == {"queued": 99, "succeeded": 1}
    shelf.journal.restart_wal()
    shelf.journal.close()


@pytest.mark.parametrize("looks", [True, False], ids=["looked at meanwhile", "not looked at"])
@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.RAISED, Outcome.REJECTED])
def test_at_off_a_task_reads_as_in_a_journal_on_a_disk(tmp_path: Path, outcome: Outcome, looks: bool) -> None:
    def live(shelf: Shelf) -> list[TaskRow]:
        seen: list[TaskRow] = []
        (task_id,) = shelf.submit()
        for number in range(1, 4):  # the lease of a second attempt, and of a third
            shelf.pass_time(100)
            lease = shelf.start(number)
            if looks:
                seen.append(shelf.task(task_id))
                assert seen[-1].state == "running"
            shelf.report(lease, outcome, b"result")
            seen.append(shelf.task(task_id))
            if seen[-1].ended_at:
                break
        shelf.journal.close()
        return [msgspec.structs.replace(row, id=b"") for row in seen]

    on_disk, in_memory = (live(Shelf(tmp_path, level)) for level in (Durability.NORMAL, Durability.OFF))
    assert in_memory == on_disk
    assert in_memory[-1].started_at


def several(shelf: Shelf, number: int = 1, most: int = 5) -> list[Lease]:
    """Hand several out in one call."""
    shelf.book.dealer.pace.saw("task", 0.0001)
    worker = shelf.book.hello(Hello(number, 1, 4711, 1))
    shelf.book.ask(worker, most, shelf.now)
    ((*leases,),) = [handout.leases for handout in shelf.book.assign(shelf.now)]
    shelf.commit()
    return leases


def raw(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """What the file says to somebody else."""
    with closing(sqlite3.connect(path)) as other:
        return other.execute(statement).fetchall()


def test_several_that_are_handed_out_in_one_call_are_noted_in_one_row(shelf: Shelf) -> None:
    shelf.submit(5)
    leases = several(shelf)
    assert raw(shelf.path, "SELECT last, first, worker, pid, seqs FROM handouts") == [(5, 1, 1, 4711, "[1,2,3,4,5]")]
    assert raw(shelf.path, "SELECT DISTINCT state, lease FROM tasks") == [("queued", 0)]
    shelf.report(leases[0])
    shelf.report(leases[1], Outcome.RAISED)
    assert raw(shelf.path, "SELECT state, lease, worker, pid FROM tasks WHERE seq <= 3") == [
        *(("succeeded", 1, 1, 4711), ("retrying", 2, 1, 4711), ("queued", 0, 0, 0))
    ]
    assert shelf.journal.counts() == {"succeeded": 1, "retrying": 1, "running": 3}, "whoever reads finds all written"


@pytest.mark.parametrize("looks", [True, False], ids=["looked at meanwhile", "not looked at"])
def test_what_was_handed_out_in_one_call_is_known_after_the_death_of_the_broker(shelf: Shelf, looks: bool) -> None:
    shelf.submit(6)
    leases = several(shelf)
    shelf.report(leases[0])
    shelf.report(leases[1], Outcome.RAISED)
    if looks:
        shelf.journal.counts()
    copy = shelf.path.with_name("copy.db")
    for end in ("", "-wal"):  # the files as a killed broker leaves them
        shutil.copy(f"{shelf.path}{end}", f"{copy}{end}")
    with closing(Journal(copy, Durability.NORMAL)) as again:
        found = {task.seq: (task.state, task.lease, task.worker, task.pid) for task in unfinished(again)}
        assert found == {
            2: (State.RETRYING, 2, 1, 4711),
            **{seq: (State.RUNNING, seq, 1, 4711) for seq in (3, 4, 5)},
            6: (State.QUEUED, 0, 0, 0),
        }
        assert again.highest() == (6, 5)
        assert raw(copy, "SELECT count(*) FROM handouts") == [(0,)]


def test_of_several_handouts_of_a_task_the_last_counts(shelf: Shelf) -> None:
    shelf.submit(4)
    for lease in several(shelf, 1):
        shelf.report(lease, Outcome.RAISED)
    shelf.pass_time(60)
    shelf.commit()
    again = several(shelf, 2)
    assert len(raw(shelf.path, "SELECT * FROM handouts")) == 2
    copy = shelf.path.with_name("copy.db")
    for end in ("", "-wal"):
        shutil.copy(f"{shelf.path}{end}", f"{copy}{end}")
    with closing(Journal(copy, Durability.NORMAL)) as other:
        found = {task.seq: (task.state, task.lease, task.worker) for task in unfinished(other)}
    assert found == {lease.entry.seq: (State.RUNNING, lease.number, 2) for lease in again}


def test_handouts_are_forgotten_when_the_rows_of_their_tasks_tell(shelf: Shelf) -> None:
    shelf.submit(600)
    for _ in range(200):
        for lease in several(shelf, most=3):
            shelf.report(lease)
    assert len(raw(shelf.path, "SELECT * FROM handouts")) <= 70
    assert shelf.journal.counts() == {"succeeded": 600}


_WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from supervisor.journal.journal import Durability
from tests.unit.test_journal import Shelf
shelf = Shelf(Path(sys.argv[1]), Durability(sys.argv[2]))
for _ in range(20):
    shelf.submit(5)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("level", [Durability.FULL, Durability.NORMAL])
def test_what_was_committed_survives_the_kill_of_the_process(tmp_path: Path, level: Durability) -> None:
    done = subprocess.run([sys.executable, "-c", _WRITE_AND_DIE, str(tmp_path), level], cwd=ROOT, check=False)
    assert done.returncode == -9
    with closing(Journal(tmp_path / "journal.db", level)) as journal:
        assert journal.counts() == {"queued": 100}
        assert journal.highest() == (100, 0)


def test_a_turn_that_cannot_be_written_leaves_nothing_of_itself(shelf: Shelf) -> None:
    shelf.submit(3)
    lease = shelf.start()
    shelf.journal._connection.execute(f"PRAGMA max_page_count = {shelf.pragma('page_count') + 2}")
    shelf.book.complete(shelf.book.workers[1], Report(lease.number, Outcome.SUCCEEDED), shelf.now)
    with pytest.raises(JournalFullError, match="full"):
        shelf.submit(1, bytes(1 << 20))
    assert shelf.journal.counts() == {"queued": 2, "running": 1}
    shelf.journal._connection.execute("PRAGMA max_page_count = 1000000")
    shelf.submit()
    assert shelf.journal.counts() == {"queued": 3, "running": 1}


# -- others at the same file ------------------------------------------------------------------------------------

_READ = """
import sqlite3, sys
reader = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
for line in sys.stdin:
    print(reader.execute("SELECT count(*) FROM tasks").fetchone()[0], flush=True)
"""


def test_another_process_reads_while_the_broker_writes(shelf: Shelf) -> None:
    command = [sys.executable, "-c", _READ, str(shelf.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdin
        assert reader.stdout
        for count in (1, 2, 3):
            shelf.submit()
            reader.stdin.write("\n")
            reader.stdin.flush()
            assert reader.stdout.readline() == f"{count}\n"
        reader.stdin.close()
        assert reader.wait(30) == 0


def test_a_reader_in_the_middle_of_its_walk_holds_up_no_writer_and_sees_one_moment(shelf: Shelf) -> None:
    shelf.submit(10)
    with closing(sqlite3.connect(f"file:{shelf.path}?mode=ro", uri=True)) as reader:
        walk = reader.execute("SELECT seq FROM tasks ORDER BY seq")
        seen = [walk.fetchone()]
        shelf.submit(10)
        seen += walk.fetchall()
        assert len(seen) == 10
        assert reader.execute("SELECT count(*) FROM tasks").fetchone() == (20,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM tasks")


def test_a_second_writer_is_waited_for(shelf: Shelf) -> None:
    with closing(sqlite3.connect(shelf.path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("PRAGMA user_version")
        threading.Timer(0.1, other.execute, ["COMMIT"]).start()
        shelf.submit()
    assert shelf.journal.counts() == {"queued": 1}


def test_the_helper_folds_the_log_into_the_database_while_the_journal_is_written(shelf: Shelf) -> None:
    helper = Checkpointer(shelf.path)
    try:
        small = shelf.path.stat().st_size
        helper.nudge()
        for _ in range(8):
            shelf.submit(1, bytes(1 << 20))
            helper.nudge()
        assert shelf.journal.wal_bytes() > 8 << 20
        until(lambda: shelf.path.stat().st_size > small + (4 << 20), "the checkpoint", 20.0)
    finally:
        helper.close()
    assert shelf.journal.counts() == {"queued": 8}


# -- what a client reads ----------------------------------------------------------------------------------------


def test_a_task_is_read_as_it_is_at_every_station_of_its_life(shelf: Shelf) -> None:
    (task_id,) = shelf.submit()
    row = shelf.task(task_id)
    assert (row.state, row.attempt, row.worker, row.created_at, row.options.timeout) == ("queued", 0, None, NOW.wall, 5)
    lease = shelf.start()
    row = shelf.task(task_id)
    assert (row.state, row.attempt, row.worker, row.started_at) == ("running", 1, 4711, NOW.wall)
    shelf.pass_time(2.0)
    shelf.report(lease, Outcome.RAISED)
    row = shelf.task(task_id)
    assert (row.state, row.attempt, row.due_at, row.cause) == ("retrying", 1, NOW.wall + 7, "exception")
    assert row.error == ErrorData("builtins.ValueError", "no", "Traceback")
    shelf.pass_time(5.0)
    shelf.report(shelf.start(), result=b"42")
    row = shelf.task(task_id)
    assert (row.state, row.attempt, row.cause, row.error, row.due_at) == ("succeeded", 2, None, None, None)
    assert (row.result, row.ended_at) == (b"42", NOW.wall + 7)
    without = shelf.journal.task(task_id, with_result=False)
    assert without is not None
    assert without.result is None
    assert shelf.journal.task(bytes(16), with_result=True) is None


def test_a_killed_task_keeps_its_stack_its_output_and_its_progress(shelf: Shelf) -> None:
    (task_id,) = shelf.submit()
    first = shelf.start(1)
    shelf.commit(Pieces([(1, first.number, 1, 0.0, "of the first ")], []))
    shelf.book.die(1, first.number, Death(Cause.SIGNAL, "SIGSEGV", "in f"), shelf.now)
    shelf.commit()
    row = shelf.task(task_id)
    assert (row.cause, row.stack, row.output) == ("signal", "in f", "of the first ")
    second = shelf.start(2)
    told = (1, second.number, 1.0, 4.0, "so", 0.5, 9.0)
    shelf.commit(Pieces([(1, second.number, 2, 0.0, "two"), (1, second.number, 1, 0.0, "one ")], [told]))
    row = shelf.task(task_id)
    assert (row.state, row.attempt, row.output) == ("running", 2, "one two")
    assert row.progress == ProgressData(1.0, 4.0, "so", 0.5, 9.0)


def test_a_task_that_is_cancelled_between_two_attempts_says_so_and_not_what_the_first_died_of(shelf: Shelf) -> None:
    (task_id,) = shelf.submit()
    shelf.report(shelf.start(), Outcome.RAISED)
    shelf.pass_time(1.0)
    shelf.book.cancel(task_id, shelf.now)
    shelf.commit()
    row = shelf.task(task_id)
    assert (row.state, row.cause, row.ended_at, row.attempt) == ("cancelled", "cancelled", shelf.now.wall, 1)


def test_a_task_submitted_and_cancelled_in_one_turn_is_over_for_a_restart_too(shelf: Shelf) -> None:
    task_id = new_id()
    shelf.book.agenda.submit(Submission(task_id, "task", b""), shelf.now)
    shelf.book.cancel(task_id, shelf.now)
    shelf.commit()
    assert shelf.task(task_id).state == "cancelled"
    assert not unfinished(shelf.journal)


def test_an_attempt_that_was_put_back_is_not_counted_in_what_is_read(shelf: Shelf) -> None:
    (task_id,) = shelf.submit()
    lease = shelf.start(1)
    shelf.book.die(1, lease.number, Death(Cause.SHUTDOWN), shelf.now)
    shelf.commit()
    assert (shelf.task(task_id).state, shelf.task(task_id).attempt) == ("queued", 0)
    shelf.start(2)
    assert shelf.task(task_id).attempt == 1


# -- a new broker -----------------------------------------------------------------------------------------------


@pytest.fixture
def board() -> Iterator[Scoreboard]:
    made = Scoreboard.create()
    yield made
    os.close(made.descriptor)


def restart(shelf: Shelf, board: Scoreboard, *alive: Alive) -> None:
    """A new broker takes over the journal, and hears who lives."""
    shelf.journal.close()
    shelf.journal = Journal(shelf.path, Durability.NORMAL)
    shelf.book = open_book(shelf.journal, SETTINGS, board)
    welcome(shelf.book, shelf.journal, board, shelf.now, list(alive))
    shelf.commit()


def test_what_an_attempt_has_used_up_is_used_up_after_a_restart_too(shelf: Shelf, board: Scoreboard) -> None:
    (task_id,) = shelf.submit()
    shelf.report(shelf.start(1), Outcome.RAISED)
    restart(shelf, board)
    shelf.pass_time(10.0)
    lease = shelf.start(2)
    shelf.book.die(2, lease.number, Death(Cause.SIGNAL), shelf.now)
    shelf.commit()
    restart(shelf, board)
    shelf.start(3)
    restart(shelf, board)  # worker 3 is not among the living
    restart(shelf, board)
    assert view(shelf.book.agenda.tasks[task_id]) == View(State.QUEUED, failures=1, crashes=1, aborts=1)
    assert shelf.task(task_id).attempt == 3


def test_a_worker_that_lives_keeps_its_task_through_a_restart_and_what_it_says_counts(
    shelf: Shelf, board: Scoreboard
) -> None:
    (task_id,) = shelf.submit()
    lease = shelf.start(1)
    board.slots[1].start(lease.number, 1, 1, 1, 0)
    restart(shelf, board, Alive(1, 1, 4711, 1, lease.number))
    shelf.report(lease, result=b"kept")
    assert (shelf.task(task_id).state, shelf.task(task_id).result) == ("succeeded", b"kept")


def test_a_new_broker_has_the_tasks_of_a_batch_in_the_order_in_which_they_run(shelf: Shelf, board: Scoreboard) -> None:
    shelf.book = Book(shelf.book.agenda, BATCH)
    shelf.submit()
    shelf.report(shelf.start())  # in no time: more than one at a time from now on
    late, *early = shelf.submit(3)
    for task_id in early:
        assert shelf.book.agenda.prioritise(task_id, 10)
    shelf.book.ask(shelf.book.workers[1], 3, shelf.now)
    (batch,) = [handout.leases for handout in shelf.book.assign(shelf.now)]
    shelf.commit()
    board.slots[1].claim(batch[-1].number, 1)
    board.slots[1].start(batch[-1].number, 1, 1, 1, 0)
    restart(shelf, board, Alive(1, 1, 4711, 1, batch[-1].number))  # the last runs, and of the others it told nobody yet
    assert [lease.entry.id for lease in shelf.book.workers[1].leases] == [*early, late]


def test_a_cancel_under_way_is_not_forgotten_by_a_new_broker(shelf: Shelf, board: Scoreboard) -> None:
    (task_id,) = shelf.submit()
    lease = shelf.start(1)
    board.slots[1].start(lease.number, 1, 1, 1, 0)
    board.slots[1].put(Word.CANCEL_LEASE, lease.number)
    restart(shelf, board, Alive(1, 1, 4711, 1, lease.number))
    shelf.report(lease, Outcome.CANCELLED)
    assert shelf.task(task_id).state == "cancelled"


def test_numbers_given_out_before_a_restart_are_not_given_out_again(shelf: Shelf, board: Scoreboard) -> None:
    shelf.submit(3)
    for _ in range(3):
        shelf.report(shelf.start())
    restart(shelf, board)
    shelf.submit()
    assert shelf.start(9).number == 4
    assert shelf.journal.highest() == (4, 4)


def test_without_a_journal_leases_are_counted_on_from_what_the_scoreboard_knows(board: Scoreboard) -> None:
    slot = board.slots[1]
    slot.claim(1000, 1)
    slot.start(990, 1, 1, 1, 0)
    book = Book(Agenda(Kinds(Defaults()), Capacity(10)), BATCH)
    with closing(Journal(Path("nowhere"), Durability.OFF)) as journal:
        welcome(book, journal, board, NOW, [Alive(7, 1, 4711, 1, 990)])
        book.agenda.submit(Submission(new_id(), "task", b""), NOW)
        book.ask(book.workers[7], 1, NOW)
        ((lease,),) = [handout.leases for handout in book.assign(NOW)]
    slot.claim(lease.number, 2000)
    assert slot.held() == Held(lease.number, 2000), "else the claim would look older than what ran last"


# -- payloads ---------------------------------------------------------------------------------------------------


def test_a_payload_is_read_back_while_its_task_is_not_over(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.submit(600, b"payload")
    shelf.journal.close()
    with closing(Journal(shelf.path, Durability.NORMAL)) as journal:
        assert {journal.payload(seq) for seq in range(1, 601)} == {b"payload"}
        with pytest.raises(KeyError):
            journal.payload(601)


@given(
    limit=st.integers(0, 60),
    steps=st.lists(st.tuples(st.sampled_from(("keep", "get", "drop")), st.integers(0, 9)), max_size=40),
)
def test_the_payload_cache_never_holds_more_than_its_limit_and_always_tells_the_truth(
    limit: int, steps: list[tuple[str, int]]
) -> None:
    stored = {seq: bytes([seq]) * (seq * 3) for seq in range(9)}
    fetched: list[int] = []

    def fetch(seq: int) -> list[tuple[int, bytes]]:
        fetched.append(seq)
        return [(each, stored[each]) for each in range(seq, min(seq + 3, 9))]

    cache = PayloadCache(fetch, limit)
    for step, seq in steps:
        if step == "drop":
            cache.drop(seq)
        elif seq not in stored:
            with pytest.raises(KeyError):
                cache.get(seq)
        elif step == "keep":
            cache.keep(seq, stored[seq])
        else:
            asked = len(fetched)
            kept = seq in cache._kept
            assert cache.get(seq) == stored[seq]
            assert len(fetched) == asked + (not kept)
        assert sum(map(len, cache._kept.values())) == cache._size <= limit


# -- forgetting -------------------------------------------------------------------------------------------------

DAY = 86400.0
SHORTEST_REST = 0.5


@contextmanager
def sweeper_of(shelf: Shelf, **ttl: float) -> Iterator[Sweeper]:
    """At its end, the files that it took away are gone for good."""
    payloads_of(shelf).mkdir(exist_ok=True)
    with closing(Remover(payloads_of(shelf))) as remover:
        retention = Retention(ttl.get("result", 10.0), ttl.get("record", 100.0), dead_ttl=None)
        yield Sweeper(shelf.journal.archive, remover, retention)


def walk(sweeper: Sweeper, wall: float) -> int:
    """Step by step until it rests; how many steps that took."""
    for steps in count(1):
        sweeper.step(Moment(0.0, wall))
        if sweeper.next_time >= SHORTEST_REST:
            return steps
    raise AssertionError


def sweep(shelf: Shelf, wall: float, **ttl: float) -> None:
    """One whole walk."""
    with sweeper_of(shelf, **ttl) as sweeper:
        walk(sweeper, wall)


def payloads_of(shelf: Shelf) -> Path:
    return shelf.path.with_name("payloads")


def test_results_and_records_are_kept_for_their_time_and_not_longer(shelf: Shelf) -> None:
    (task_id,) = shelf.submit()
    shelf.report(shelf.start(), result=b"42")
    ended = shelf.now.wall
    for seconds, state, result in ((9, "succeeded", b"42"), (11, "succeeded", None), (99, "succeeded", None)):
        sweep(shelf, ended + seconds)
        assert (shelf.task(task_id).state, shelf.task(task_id).result) == (state, result)
    sweep(shelf, ended + 101)
    assert shelf.journal.task(task_id, with_result=True) is None


def test_with_the_record_goes_all_that_was_written_of_it(shelf: Shelf) -> None:
    shelf.submit()
    lease = shelf.start()
    told = (1, lease.number, 1.0, None, "", None, 5.0)
    profile = (1, lease.number, 0.5, 1024, "text")
    shelf.commit(
        Pieces(
            output=[(1, lease.number, 1, 0.0, "text")], progress=[told], profiles=[profile], puts=[(1, [("a.b", 1)])]
        )
    )
    shelf.book.die(1, lease.number, Death(Cause.SIGNAL), shelf.now)
    shelf.book.cancel(lease.entry.id, shelf.now)
    shelf.commit()
    sweep(shelf, shelf.now.wall + 101)
    for table in ("tasks", "attempts", "output", "progress", "profiles", "contexts"):
        assert shelf.journal._connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


def test_a_result_outlives_a_shorter_record_time_and_takes_the_record_along(shelf: Shelf) -> None:
    (task_id,) = shelf.submit()
    shelf.report(shelf.start(), result=b"42")
    sweep(shelf, shelf.now.wall + 2 * DAY, result=7 * DAY, record=DAY)
    assert shelf.task(task_id).result == b"42"
    sweep(shelf, shelf.now.wall + 8 * DAY, result=7 * DAY, record=DAY)
    assert shelf.journal.task(task_id, with_result=True) is None


def test_what_is_not_over_is_never_forgotten(shelf: Shelf) -> None:
    shelf.submit(3)
    shelf.start()
    sweep(shelf, shelf.now.wall + 1000 * DAY)
    assert shelf.journal.counts() == {"queued": 2, "running": 1}


def test_the_sweep_goes_on_where_it_was_rests_after_the_last_slice_and_survives_a_clock_set_back(shelf: Shelf) -> None:
    ids = shelf.submit(1201)
    for task_id in ids:
        shelf.book.cancel(task_id, shelf.now)
    shelf.commit()
    later = shelf.now.wall + 101
    with sweeper_of(shelf) as sweeper:
        left = [len(ids)]
        while left[-1]:
            sweeper.step(Moment(0.0, later))
            assert sweeper.next_time < SHORTEST_REST, "there is more to do"
            left.append(shelf.journal.counts().get("cancelled", 0))
        assert len(left) > 3
        assert all(after < before for before, after in pairwise(left)), "each step goes on where the last one was"
        walk(sweeper, later)
        assert sweeper.next_time == pytest.approx(SHORTEST_REST, abs=0.4)
        (task_id,) = shelf.submit()
        shelf.book.cancel(task_id, shelf.now)
        shelf.commit()
        walk(sweeper, later - 10 * DAY)
        assert sweeper.next_time < 1.0, "it does not rest for ten days"
        assert shelf.journal.state_of(task_id) is not None
        walk(sweeper, later)
        assert shelf.journal.state_of(task_id) is None


def test_files_go_with_what_they_belong_to(shelf: Shelf) -> None:
    folder = payloads_of(shelf)
    folder.mkdir()
    (task_id,) = shelf.submit(files=Files.ARGUMENTS)
    for suffix in ("args", "result"):
        (folder / f"{to_text(task_id)}.{suffix}").write_bytes(b"big")
    shelf.report(shelf.start(), files=Files.RESULT)
    assert shelf.task(task_id).files == Files.ARGUMENTS | Files.RESULT
    sweep(shelf, shelf.now.wall + 11)
    assert [path.suffix for path in folder.iterdir()] == [".args"]
    assert shelf.task(task_id).files == Files.ARGUMENTS
    sweep(shelf, shelf.now.wall + 101)
    assert not list(folder.iterdir())


def test_files_of_which_no_task_knows_are_removed_when_they_are_old(shelf: Shelf) -> None:
    folder = payloads_of(shelf)
    folder.mkdir()
    (known,) = shelf.submit(files=Files.ARGUMENTS)
    young, old, odd = (folder / f"{to_text(new_id())}.args" for _ in range(3))
    kept = folder / f"{to_text(known)}.args"
    odd = odd.with_name("what.is.this")
    for path in (young, old, odd, kept):
        path.touch()
        os.utime(path, (0, shelf.now.wall - (60 if path is young else 2 * 3600)))
    (folder / "gone").symlink_to(folder / "nowhere")  # as a file that goes while the folder is read
    sweep(shelf, shelf.now.wall)
    assert {path.name for path in folder.iterdir()} == {young.name, kept.name, "gone"}
