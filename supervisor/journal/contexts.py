"""The contexts of tasks, in the journal: what a task puts in is added to what is there."""

from __future__ import annotations

import sqlite3

import msgspec

from supervisor.core import notes
from supervisor.journal.statements import SQL
from supervisor.log import log
from supervisor.wire.messages import LONGEST_CONTEXT
from supervisor.wire.talk import Puts

_decode = msgspec.json.Decoder(notes.Notes).decode
_encode = msgspec.json.Encoder().encode


def read(connection: sqlite3.Connection, seq: int) -> bytes:
    """The context of a task as JSON; empty for none."""
    row = connection.execute(SQL["context"], (seq,)).fetchone()
    return bytes(row[0]) if row else b""


def put(connection: sqlite3.Connection, seq: int, puts: Puts) -> None:
    """Add to a context. Each process of a task sees to it that what it puts in fits; several may put in too much."""
    before = read(connection, seq)
    context = _decode(before) if before else {}
    for path, value in puts:
        try:
            context = notes.put(context, path, value)
        except ValueError as fault:
            log.warning("a task's processes put into its context what cannot be there at once (%s: %s)", path, fault)
    data = _encode(context)
    if len(data) > LONGEST_CONTEXT:
        log.warning("a task's processes put more into its context than %d bytes: it stays as it was", LONGEST_CONTEXT)
        return
    connection.execute(SQL["save_context"], (seq, data))
    connection.execute(SQL["mark_context"], (seq,))
