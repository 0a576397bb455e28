"""What the journal holds of what tasks say, read a slice at a time, for others wait for the broker meanwhile."""

from __future__ import annotations

import sqlite3

from supervisor.journal.statements import SQL
from supervisor.wire.talks import ItemSlice, Place, Said, Seen

_MOST_PIECES = 500
_MOST_ITEMS = 1000
_MOST_BYTES = 1 << 20


class Talks:
    """Reads pieces of output, and items of streams, through the journal's connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def said(self, seq: int, place: Place) -> tuple[list[Said], bool]:
        """The next pieces behind a place, and whether there are more."""
        found: list[Said] = []
        numbers: dict[int, int] = {}
        size = 0
        cursor = self._connection.execute(SQL["said"], (seq, place.lease, place.piece))
        for lease, piece, at, text, marks in cursor:
            if found and (size + len(text) > _MOST_BYTES or len(found) >= _MOST_PIECES):
                cursor.close()
                return found, True
            if lease not in numbers:
                numbers[lease] = self._attempt(seq, lease)
            found.append(Said(lease, piece, numbers[lease], at, text, marks or b""))
            size += len(text)
        return found, False

    def _attempt(self, seq: int, lease: int) -> int:
        runs, number = self._connection.execute(SQL["runs_now"], (seq,)).fetchone()
        if lease == runs:
            return int(number)
        row = self._connection.execute(SQL["attempt_of"], (seq, lease)).fetchone()
        return int(row[0]) if row else int(number)

    def stream(self, seq: int) -> tuple[int, int]:
        """The attempt whose items are a task's stream, and how many there are; (0, 0) for none."""
        row = self._connection.execute(SQL["stream"], (seq,)).fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)

    def items(self, seq: int, seen: Seen) -> tuple[ItemSlice, bool]:
        """The next items from a number on, and whether there are more."""
        lease, count = self.stream(seq)
        found: list[tuple[bool, bytes]] = []
        size = 0
        most = min(_MOST_ITEMS, count - seen.number)
        if most > 0:
            cursor = self._connection.execute(SQL["items"], (seq, lease, seen.number, most))
            for file, data in cursor:
                if found and size + len(data) > _MOST_BYTES:
                    cursor.close()
                    break
                found.append((bool(file), data))
                size += len(data)
        return ItemSlice(lease, found, ended=False), seen.number + len(found) < count
