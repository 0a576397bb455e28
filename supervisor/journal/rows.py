"""Rows of the journal as records, and the pieces that are written beside the book's changes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec

from supervisor.core.keys import NO_KEYS, Keys
from supervisor.core.ties import Ties
from supervisor.journal import contexts
from supervisor.journal.statements import SQL
from supervisor.wire.messages import ErrorData, Files, ProgressData, TaskRow
from supervisor.wire.options import Options
from supervisor.wire.talk import Puts

_decode_options = msgspec.json.Decoder(Options).decode
_decode_keys = msgspec.json.Decoder(Keys).decode
_decode_ties = msgspec.msgpack.Decoder(Ties).decode


@lru_cache(maxsize=1000)
def read_options(text: str) -> Options:
    """Options as a row has them. Tasks of one kind have the same text, and then the same object."""
    return _decode_options(text)


@dataclass(slots=True)
class Pieces:
    """What running tasks say, and what is counted, to go into the same transaction."""

    output: list[tuple[object, ...]] = field(default_factory=list)
    progress: list[tuple[object, ...]] = field(default_factory=list)
    marks: list[tuple[object, ...]] = field(default_factory=list)
    """Where the stretches of output came from that were not simply printed."""
    dropped: list[tuple[object, ...]] = field(default_factory=list)
    """Pieces of output that are not kept any longer."""
    items: list[tuple[object, ...]] = field(default_factory=list)
    streams: list[tuple[object, ...]] = field(default_factory=list)
    """How many items there are of a stream, and of which attempt they are."""
    profiles: list[tuple[object, ...]] = field(default_factory=list)
    puts: list[tuple[int, Puts]] = field(default_factory=list)
    """What was put into contexts, by seq."""
    totals: list[tuple[object, ...]] = field(default_factory=list)
    """What is counted, once a second or so."""
    old_totals: list[tuple[object, ...]] = field(default_factory=list)
    talked: set[bytes] = field(default_factory=set)
    """The ids of the tasks of which there is something new to read."""

    def __bool__(self) -> bool:
        told = self.progress or self.items or self.profiles or self.puts
        return bool(self.output or told or self.totals)


class StoredTask(msgspec.Struct, frozen=True, gc=False):
    """An unfinished task as the journal has it. A Struct, since a restart may make a million of them."""

    seq: int
    id: bytes
    name: str
    state: str
    generation: int
    lease: int
    worker: int
    pid: int
    failures: int
    crashes: int
    aborts: int
    files: int
    created_wall: float
    due_wall: float | None
    started_wall: float | None
    cancelling: int
    priority: int
    expires_wall: float | None
    keys: Keys
    options: Options
    asking: str


Newcomer = tuple[int, bytes, str, int, int, int, float, str]
"""A task that only waits: (seq, id, name, generation, files, priority, created_at, options)."""


def stored_task(row: Sequence[Any]) -> StoredTask:
    """What the statements ``unfinished`` and ``stored`` give."""
    *plain, keys, options, asking = row
    fields = [*plain, _decode_keys(keys) if keys else NO_KEYS, read_options(options), asking]
    return StoredTask(*fields)


def read_task(
    connection: sqlite3.Connection, task_id: bytes, *, with_result: bool, brief: bool = False
) -> TaskRow | None:
    """The row behind an id with its last attempt and output, through any connection; None when there is none.

    ``brief`` leaves out what may be long: output, traceback, stack.
    """
    row = connection.execute(SQL["task"], (task_id,)).fetchone()
    if row is None:
        return None
    seq, _, name, state, priority, ended_attempts, lease, created, due, started, ended, pid, options, files, *rest = row
    asking, retried, ties, said, told_of = rest
    attempt = None if state == "succeeded" else connection.execute(SQL["last_attempt"], {"seq": seq}).fetchone()
    result = connection.execute(SQL["result"], (seq,)).fetchone()[0] if with_result and state == "succeeded" else None
    # What ends so counts on no budget, but was an attempt all the same; lease 0 is a cancel of what did not run.
    runs = state == "succeeded" or (state == "running" and not asking)
    counts = runs or (state == "cancelled" and attempt is not None and attempt[0] > 0)
    since = lease if runs or attempt is None or attempt[0] <= 0 else attempt[0]
    span = (seq, min(since, lease), lease)
    output = connection.execute(SQL["output"], span).fetchall() if said and not brief else []
    told = connection.execute(SQL["progress"], span).fetchone() if told_of else None
    with_context = files & Files.CONTEXT and not brief
    return TaskRow(
        id=task_id,
        name=name,
        state=state,
        priority=priority,
        attempt=ended_attempts + (1 if counts else 0),
        created_at=created,
        due_at=due,
        started_at=started,
        ended_at=ended,
        worker=pid or None,
        cause=attempt[1] if attempt else None,
        error=ErrorData(attempt[2], attempt[3], "" if brief else attempt[4]) if attempt else None,
        stack=attempt[5] if attempt and not brief else None,
        output="".join(piece for (piece,) in output),
        progress=ProgressData(*told) if told else None,
        options=read_options(options),
        files=files,
        result=result,
        retried=retried,
        context=contexts.read(connection, seq) if with_context else b"",
        parents=tuple(_decode_ties(ties).parents) if ties else (),
    )
