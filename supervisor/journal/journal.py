"""The journal's one writer.

WAL mode, and one transaction a turn of the broker (group commit). ``synchronous`` is switched between the
transactions of the one connection, so only those that acknowledge a submit pay for an fsync. At durability ``off``
the same tables live in memory.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from supervisor.core.changes import Changes
from supervisor.core.entry import Attempt
from supervisor.core.keys import Keys
from supervisor.core.retention import DEAD
from supervisor.core.schedules import Schedule
from supervisor.errors import JournalError, JournalFullError
from supervisor.journal import contexts, schedules, ties
from supervisor.journal.archive import Archive
from supervisor.journal.held import Connection, HeldLeases, Plan, take_up
from supervisor.journal.migrate import migrate
from supervisor.journal.payloads import PayloadCache
from supervisor.journal.rows import Newcomer, Pieces, StoredTask, read_options, read_task, stored_task
from supervisor.journal.statements import SQL
from supervisor.journal.talks import Talks
from supervisor.journal.task_rows import Sorted, TaskRows
from supervisor.journal.ties import TiesReader
from supervisor.states import State
from supervisor.wire.messages import ArgumentsRow, TaskRow
from supervisor.wire.talk import Puts

_encode_options = msgspec.json.Encoder().encode
_encode_keys = msgspec.json.Encoder().encode
_decode_keys = msgspec.json.Decoder(Keys).decode
_PREFETCH = 256
_Row = tuple[Any, ...]
_WAL_RESTART_BYTES = 64 << 20
REMEDY = "`supervisor doctor` says what can be saved of it; nothing is written into it until then"
_PRIMARY = 0xFF
"""Of an error's number that part which is no detail."""


class Durability(StrEnum):
    """What an acknowledged submit survives."""

    FULL = "full"
    """Power loss: it was fsynced before it was acknowledged."""
    NORMAL = "normal"
    """The death of any process; a power loss may take the last moments."""
    OFF = "off"
    """Nothing: it lives in the broker's memory."""


class Journal:
    """Open ``path`` for writing, made and migrated as needed; JournalError when it cannot be used.

    ``threads``: calls may come from several threads, one at a time.
    """

    def __init__(self, path: Path, durability: Durability, *, threads: bool = False) -> None:
        self.path = path
        self._threads = threads
        self.durability = durability
        self._held = HeldLeases(noted=durability is not Durability.OFF)
        self._connection = self._open()
        self._results: Mapping[int, bytes] = {}
        """Those of this turn, by seq."""
        self._connection.create_function("reported", 1, self._result)
        self._payloads = PayloadCache(self._fetch_payloads)
        self._synchronous = ""
        self._task_rows = TaskRows(self._payloads)
        self.archive = Archive(self._connection, lambda: self._begin(durable=False))
        self.ties = TiesReader(self._connection)
        self.talks = Talks(self._connection)

    def _open(self) -> Connection:
        off = self.durability is Durability.OFF
        connection: Connection | None = None
        try:
            if not off:
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            connection = sqlite3.connect(
                ":memory:" if off else self.path,
                isolation_level=None,
                cached_statements=64,
                check_same_thread=not self._threads,
                factory=Connection,
            )
            connection.held, connection.relax = self._held, lambda: self._settle_durability(durable=False)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA wal_autocheckpoint = 0")  # done by the helper, off the broker's loop
            connection.execute("PRAGMA busy_timeout = 5000")
            connection.execute("PRAGMA cache_size = -8192")
            migrate(connection)
            take_up(connection)
        except (sqlite3.Error, OSError) as error:
            if connection is not None:
                connection.close()
            raise JournalError(str(self.path), f"{error}; {REMEDY}") from error
        return connection

    def close(self) -> None:
        """Fold the log into the database and let go."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    # -- writing -----------------------------------------------------------------------------------------------

    def write(self, changes: Changes, pieces: Pieces | None = None) -> None:
        """Commit one turn. When this returns, what the durability level promises holds for all of it.

        Raises JournalFullError when the disk takes no more: then nothing was written, and it may be tried again.
        """
        self._settle_durability(bool(changes.new or changes.revived or changes.ties or changes.configured))
        self._results = changes.results
        tasks = self._task_rows.sort(changes)
        plan = self._held.plan(tasks)
        found = [(statement, rows) for statement, rows in self._rows(changes, tasks, plan, pieces) if rows]
        try:
            self._execute(found, pieces.puts if pieces is not None else [])
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & _PRIMARY in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
                raise JournalFullError(str(error)) from error
            raise
        self._held.settle(plan)

    def _result(self, seq: int) -> bytes:
        return self._results[seq]

    def _execute(self, found: list[tuple[str, Sequence[_Row]]], puts: list[tuple[int, Puts]]) -> None:
        connection = self._connection
        if not puts and len(found) <= 1 and (not found or len(found[0][1]) == 1):
            for statement, (row,) in found:  # one row is a transaction by itself, in a third of the calls
                connection.run(SQL[statement], row)
            return
        if puts:
            connection.write_held()  # they read
        connection.run("BEGIN IMMEDIATE")
        try:
            for statement, rows in found:
                connection.run_many(SQL[statement], rows)
            for seq, put in puts:
                contexts.put(connection, seq, put)
            connection.run("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.run("ROLLBACK")
            raise

    def _rows(
        self, changes: Changes, tasks: Sorted, plan: Plan, pieces: Pieces | None
    ) -> Iterator[tuple[str, Sequence[_Row]]]:
        """What is to be executed, in this order. What most turns have none of is not even looked for."""
        if changes.revived:
            for statement in ("unbury", "keep_success", "keep_unstarted", "revive_task", "forget_stream"):
                yield statement, [(seq,) for seq in changes.revived]
        yield "insert_waiting", tasks.waiting
        yield "insert_task", tasks.inserted
        yield "lease_task", tasks.leased
        yield "note_handout", plan.handouts
        yield "forget_handouts", plan.forget
        if changes.cancelling:
            yield "cancel_task", [(seq,) for seq in changes.cancelling]
        yield "move_task", tasks.moved
        yield "succeed_task", tasks.succeeded
        yield "serve_tasks", tasks.served
        if tasks.ended or tasks.inserted:
            yield "end_task", tasks.ended
            yield "bury", [(entry.seq,) for entry in changes.ended.values() if entry.state in DEAD]
        if changes.attempts:
            yield "insert_attempt", [_attempt_row(attempt) for attempt in changes.attempts]
        if changes.rare:
            yield from _rare_rows(changes)
        if pieces is not None:
            yield from _piece_rows(pieces)

    def _begin(self, *, durable: bool) -> None:
        self._connection.write_held()  # before it is settled how durable this one is
        self._settle_durability(durable)
        self._connection.run("BEGIN IMMEDIATE")

    def _settle_durability(self, durable: bool) -> None:
        """What the next transaction is to survive. Not to be changed within one."""
        wanted = "FULL" if durable and self.durability is Durability.FULL else "NORMAL"
        if wanted != self._synchronous:
            self._connection.run(f"PRAGMA synchronous = {wanted}")
            self._synchronous = wanted

    def wal_bytes(self) -> int:
        """The size of the log that was not folded into the database yet."""
        try:
            return os.stat(f"{self.path}-wal").st_size
        except OSError:
            return 0

    def shrink(self) -> None:
        """Fold the log into the database and give its place back, as far as the disk and those who read allow."""
        if self.durability is not Durability.OFF:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def restart_wal(self) -> None:
        """Begin the log anew once it has grown; cheap when the helper has just folded most of it in."""
        if self.durability is not Durability.OFF and self.wal_bytes() > _WAL_RESTART_BYTES:
            self._connection.execute("PRAGMA wal_checkpoint(RESTART)")

    # -- reading -----------------------------------------------------------------------------------------------

    def payload(self, seq: int) -> bytes:
        """The payload of an unfinished task."""
        return self._payloads.get(seq)

    def _fetch_payloads(self, seq: int) -> Iterable[tuple[int, bytes]]:
        # A deep queue is drained in about the order of seq: read ahead.
        return self._connection.execute(SQL["payloads"], (seq, seq + _PREFETCH)).fetchall()

    def open_blocks(self) -> list[int]:
        """The blocks that a restart looks through, in their order."""
        return [block for (block,) in self._connection.execute(SQL["open_blocks"])]

    def newcomers(self, block: int) -> list[Newcomer]:
        """The tasks of a block that only wait for their first worker, in the order of seq: as a rule, all of a deep
        queue. What tells them apart from others is little, and read in a third of the time.
        """
        return self._connection.execute(SQL["newcomers"], {"block": block}).fetchall()

    def unfinished(self, block: int) -> list[StoredTask]:
        """The other unfinished tasks of a block, in the order of seq."""
        return [stored_task(row) for row in self._connection.execute(SQL["unfinished"], {"block": block})]

    def unfinished_in(self, block: int) -> list[bytes]:
        """The ids of the unfinished tasks of a block, in the order of seq."""
        return [task_id for (task_id,) in self._connection.execute(SQL["unfinished_in"], (block, block))]

    def queues(self) -> list[tuple[str, float, int]]:
        """Named queues that are not as a new one is: (name, weight, paused)."""
        return self._connection.execute(SQL["queues"]).fetchall()

    def totals(self) -> list[tuple[str, str, bytes]]:
        """What was counted: (queue, name, counts), the latest first."""
        return self._connection.execute(SQL["totals"]).fetchall()

    def configured(self) -> dict[str, str]:
        """What is in force in the place of the settings, as JSON."""
        return dict(self._connection.execute(SQL["configured"]).fetchall())

    def changes(self, most: int) -> list[_Row]:
        """What was changed while the system ran: (at, pid, uid, what, before, after), the latest first."""
        return self._connection.execute(SQL["changes"], (most,)).fetchall()

    def keyed(self) -> Iterator[tuple[bytes, Keys, float]]:
        """Every task with keys, ended ones too: (id, keys, created_at)."""
        for task_id, keys, created in self._connection.execute(SQL["keyed"]):
            yield task_id, _decode_keys(keys), created

    def keyed_starts(self) -> Iterator[tuple[Keys, float]]:
        """When each attempt of a task with keys started that counts, and is over."""
        for keys, started in self._connection.execute(SQL["keyed_starts"]):
            yield _decode_keys(keys), started

    def schedules(self) -> Iterator[Schedule]:
        """How far each schedule has come."""
        return schedules.read(self._connection)

    def highest(self) -> tuple[int, int]:
        """The highest seq and the highest lease that were ever given out, as far as rows tell."""
        row = self._connection.execute(SQL["highest"]).fetchone()
        return int(row[0]), int(row[1])

    def state_of(self, task_id: bytes) -> tuple[int, State] | None:
        """The seq and the state of a task; None when there is none."""
        row = self._connection.execute(SQL["seq_of"], (task_id,)).fetchone()
        return (int(row[0]), State(row[1])) if row else None

    def task(self, task_id: bytes, *, with_result: bool, brief: bool = False) -> TaskRow | None:
        """All that a client may read about a task, or all that is short; None when there is none."""
        return read_task(self._connection, task_id, with_result=with_result, brief=brief)

    def context(self, seq: int) -> bytes:
        """The context of a task as JSON; empty for none."""
        return contexts.read(self._connection, seq)

    def hooks(self) -> dict[str, str]:
        """What was to be known of hooks after a restart."""
        return dict(self._connection.execute(SQL["hooks"]).fetchall())

    def origin(self, seq: int) -> tuple[int, float] | None:
        """How often a task was taken up again, and when it was submitted; None for one that came in this very turn."""
        row: tuple[int, float] | None = self._connection.execute(SQL["origin"], (seq,)).fetchone()
        return row

    def arguments(self, task_id: bytes) -> ArgumentsRow | None:
        """The payload of a task, ended or not; None when there is none."""
        row = self._connection.execute(SQL["arguments"], (task_id,)).fetchone()
        if row is None:
            return None
        name, payload, files, options = row
        return ArgumentsRow(name, payload, files, read_options(options).hidden)

    def kill_asked_about(self, seq: int, cause: str) -> tuple[int, str, str | None]:
        """What is known of the kill about which a task's error handler is to be asked: (attempt, message, stack)."""
        attempt, message, stack = self._connection.execute(SQL["kill_asked_about"], (seq, cause)).fetchone()
        return attempt, message, stack

    def last_piece(self, seq: int, lease: int) -> int:
        """The number of the last piece of an attempt's output; 0 when there is none."""
        return int(self._connection.execute(SQL["last_piece"], (seq, lease)).fetchone()[0] or 0)

    def counts(self) -> dict[str, int]:
        """How many tasks there are in each state."""
        return dict(self._connection.execute(SQL["counts"]).fetchall())


def _rare_rows(changes: Changes) -> Iterator[tuple[str, Sequence[_Row]]]:
    yield "open_block", [(block,) for block, opened in changes.blocks.items() if opened]
    yield "close_block", [(block,) for block, opened in changes.blocks.items() if not opened]
    yield "save_asking", [(cause, seq) for seq, cause in changes.asking.items()]
    yield "save_queue", [(queue.name, queue.weight, queue.paused) for queue in changes.queues.values()]
    saved, deleted = schedules.rows(changes.schedules)
    yield "save_schedule", saved
    yield "delete_schedule", deleted
    if changes.ties is not None:
        yield "save_ties", ties.rows(changes.ties.bonds)
        yield "save_member", ties.members(changes.ties.members)
    yield "save_context", changes.contexts
    yield "save_hook", list(changes.hooks.items())
    if changes.configured:
        yield from _configured_rows(changes)


def _piece_rows(pieces: Pieces) -> Iterator[tuple[str, Sequence[_Row]]]:
    yield "insert_output", pieces.output
    yield "insert_marks", pieces.marks
    for statement in ("drop_output", "drop_marks"):
        yield statement, pieces.dropped
    yield "save_progress", pieces.progress
    yield "insert_item", pieces.items
    yield "save_stream", pieces.streams
    yield "save_profile", pieces.profiles
    yield "save_totals", pieces.totals
    yield "delete_totals", pieces.old_totals


def _configured_rows(changes: Changes) -> Iterator[tuple[str, list[_Row]]]:
    made = changes.configured
    last = {each.what: each.value for each in made}
    yield "delete_configured", [(what,) for what in last]
    yield "save_configured", [(what, value) for what, value in last.items() if value is not None]
    yield "insert_change", [(changes.wall, each.pid, each.uid, each.what, each.before, each.after) for each in made]
    yield "forget_changes", [()]


def _attempt_row(attempt: Attempt) -> _Row:
    failure = attempt.failure
    return (
        attempt.seq,
        attempt.lease,
        attempt.number,
        attempt.worker,
        attempt.pid,
        attempt.started_wall,
        attempt.ended_wall,
        failure.cause.value,
        failure.type,
        failure.message,
        failure.traceback,
        failure.stack,
    )
