"""Ties and groups as rows of the journal."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from supervisor.core.dependencies import GONE, End
from supervisor.core.ties import Bond, Ties
from supervisor.journal.statements import SQL
from supervisor.states import State

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Ties).decode


def rows(bonds: Mapping[int, Bond]) -> list[tuple[Any, ...]]:
    """What is to be saved of new ties, by the seq of the task."""
    return [(seq, _encode(bond.ties), bond.delay, bond.eta) for seq, bond in bonds.items()]


def members(found: Iterable[tuple[Ties, int, bytes]]) -> list[tuple[Any, ...]]:
    """What is to be saved of new members of groups."""
    return [(ties.group, ties.position, seq, task_id, ties.size) for ties, seq, task_id in found]


class TiesReader:
    """Reads them over the journal's connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def of(self, seq: int) -> Ties | None:
        """The ties of a task; None when it has none."""
        row = self._connection.execute(SQL["ties_of"], (seq,)).fetchone()
        return _decode(row[0]) if row else None

    def unfinished(self) -> Iterator[tuple[bytes, Bond]]:
        """The ties of all unfinished tasks, by the id of the task."""
        for task_id, ties, delay, eta in self._connection.execute(SQL["tied"]):
            yield task_id, Bond(_decode(ties), delay, eta)

    def find(self, task_id: bytes) -> End | None:
        """How a task ended, by its row, whether it has or not; None when there is none."""
        row = self._connection.execute(SQL["end_of"], (task_id,)).fetchone()
        return End(row[0], State(row[1])) if row else None

    def ends(self, parents: Iterable[bytes]) -> dict[bytes, End]:
        """How these tasks ended, which are not unfinished; GONE for those of which nothing is known any more."""
        return {each: self.find(each) or GONE for each in parents}

    # -- groups ------------------------------------------------------------------------------------------------

    def member(self, group: bytes, position: int) -> bytes | None:
        """The id of one member."""
        row = self._connection.execute(SQL["member"], (group, position)).fetchone()
        return row[0] if row else None

    def members(self, group: bytes, *, inner: bool = False) -> list[tuple[bytes, str, int]]:
        """Id and state of each member in order and the size of the group; with ``inner`` also what leads to one."""
        least = -(1 << 62) if inner else 0
        return self._connection.execute(SQL["members"], (group, least)).fetchall()
