"""What is kept of one attempt's words: the first half of the limit, and the last.

Both go into the journal while the attempt runs, so that whoever follows it sees them, and a kill of the broker takes
the last moment only. Of what is over the limit the pieces in the middle are deleted again, and counted.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import msgspec

from supervisor.core.entry import Entry
from supervisor.core.transcript import NOTE, STDOUT, Lines, Mark, Transcript, cut
from supervisor.journal.rows import Pieces

_encode = msgspec.msgpack.Encoder().encode
Text = tuple[str, list[Mark]]


@dataclass(slots=True)
class _Piece:
    """One of the last half that is in the journal already."""

    number: int
    text: str
    marks: list[Mark]


class _Tail:
    """The last half. Few attempts say so much that they have one."""

    __slots__ = ("dropped", "note", "noted", "pending", "size", "written")

    def __init__(self) -> None:
        self.pending = Transcript()
        self.written: deque[_Piece] = deque()
        self.size = 0
        """Characters in the pieces that are written."""
        self.dropped = 0
        self.note = 0
        """The number of the piece that tells what was dropped."""
        self.noted = 0
        """What it tells."""

    def bound(self, most: int, half: int) -> None:
        """Drop what is over ``most`` of what is not written."""
        if self.pending.size > most:
            self.dropped += self.pending.keep_last(half)


@dataclass(slots=True)
class Shown:
    """How far what an attempt says has come in the supervisor's log."""

    lines: Lines
    room: int
    """How many characters it may still say there."""


class Kept:
    """What one attempt has printed and logged so far; ``half`` of its limit is kept from each end."""

    __slots__ = ("_head", "_piece", "_room", "_tail", "entry", "half", "pid", "shown")

    def __init__(self, entry: Entry, pid: int, half: int, piece: int = 0) -> None:
        self.entry = entry
        self.pid = pid
        self.half = half
        self.shown: Shown | None = None
        """What the supervisor's log knows of it."""
        self._piece = piece
        """The number of the last piece. Numbered by the clock, so that a broker that takes over goes on behind."""
        self._room = half
        """What the first half still takes."""
        self._head = Transcript()
        self._tail: _Tail | None = None

    @property
    def pending(self) -> bool:
        """Whether something is to be written."""
        return self._head.size > 0 or (self._tail is not None and self._tail.pending.size > 0)

    @property
    def dropped(self) -> int:
        """How many characters are not kept."""
        return self._tail.dropped if self._tail is not None else 0

    def print(self, text: str, at: float, stream: str) -> None:
        """It printed this."""
        size = len(text)
        if size <= self._room:
            self._room -= size
            self._head.print(text, at, stream)
            return
        if self._room:
            self._head.print(text[: self._room], at, stream)
            text = text[self._room :]
            self._room = 0
        tail = self._tail = self._tail or _Tail()
        over = len(text) - self.half
        if over > 0:
            tail.dropped += over
            text = text[over:]
        tail.pending.print(text, at, stream)
        tail.bound(2 * self.half, self.half)

    def record(self, text: str, mark: Mark) -> None:
        """It logged this. A record is not torn where the first half ends."""
        if len(text) <= self._room:
            self._room -= len(text)
            self._head.record(text, mark)
            return
        self._room = 0
        tail = self._tail = self._tail or _Tail()
        tail.pending.record(text, mark)
        tail.bound(2 * self.half, self.half)

    def write(self, lease: int, wall: float, pieces: Pieces) -> list[Text]:
        """Move what is to be written to ``pieces``; all that is new among it."""
        found: list[Text] = []
        if self._head.size:
            found.append(self._put(lease, wall, pieces, self._head))
        if self._tail is not None and self._tail.pending.size:
            found.append(self._write_tail(self._tail, lease, wall, pieces))
        return found

    def _write_tail(self, tail: _Tail, lease: int, wall: float, pieces: Pieces) -> Text:
        tail.bound(self.half, self.half)
        tail.note = tail.note or self._next(wall)
        text, marks = self._put(lease, wall, pieces, tail.pending)
        tail.written.append(_Piece(self._piece, text, marks))
        tail.size += len(text)
        while tail.size - len(tail.written[0].text) >= self.half:
            gone = tail.written.popleft()
            tail.size -= len(gone.text)
            tail.dropped += len(gone.text)
            pieces.dropped.append((self.entry.seq, lease, gone.number))
        self._note(tail, lease, wall, pieces)
        return text, marks

    def finish(self, lease: int, wall: float, pieces: Pieces) -> list[Text]:
        """The attempt is over: write the rest, to the limit exactly."""
        found = self.write(lease, wall, pieces)
        tail = self._tail
        if tail is not None and tail.size > self.half:
            over, first = tail.size - self.half, tail.written[0]
            tail.dropped += over
            text, marks = cut(first.text, first.marks, over)
            self._save(lease, wall, pieces, _Piece(first.number, text, marks))
            self._note(tail, lease, wall, pieces)
        return found

    def _next(self, wall: float) -> int:
        self._piece = max(self._piece + 1, int(wall * 1e6))
        return self._piece

    def _put(self, lease: int, wall: float, pieces: Pieces, said: Transcript) -> Text:
        text, marks = said.take()
        number = self._next(wall)
        first = marks[0]
        if len(marks) == 1 and first.stream == STDOUT:  # as a rule: it was printed, at that time
            pieces.output.append((self.entry.seq, lease, number, first.at, text))
        else:
            self._save(lease, wall, pieces, _Piece(number, text, marks))
        pieces.talked.add(self.entry.id)
        return text, marks

    def _save(self, lease: int, wall: float, pieces: Pieces, piece: _Piece) -> None:
        pieces.output.append((self.entry.seq, lease, piece.number, wall, piece.text))
        pieces.marks.append((self.entry.seq, lease, piece.number, _encode(piece.marks)))

    def _note(self, tail: _Tail, lease: int, wall: float, pieces: Pieces) -> None:
        if tail.dropped != tail.noted:
            tail.noted = tail.dropped
            text = f"\n[… {tail.dropped:,} characters dropped …]\n"
            self._save(lease, wall, pieces, _Piece(tail.note, text, [Mark(0, wall, NOTE, "warning", prefix=1)]))
