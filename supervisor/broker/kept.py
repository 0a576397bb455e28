"""What is kept of one attempt's words: the first half of the limit, and the last.

Both go into the journal while the attempt runs, so that whoever follows it sees them, and a kill of the broker takes
the last moment only. Of what is over the limit the pieces in the middle are deleted again, and counted.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import msgspec

from supervisor.core.entry import Entry
from supervisor.core.transcript import NOTE, STDOUT, Line, Lines, Mark, Transcript, cut
from supervisor.journal.rows import Pieces

_encode = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class _Piece:
    """One of the last half that is in the journal already."""

    number: int
    text: str
    marks: list[Mark]


@dataclass(slots=True)
class Kept:
    """What one attempt has printed and logged so far; ``half`` of its limit is kept from each end."""

    entry: Entry
    pid: int
    half: int
    piece: int = 0
    """The number of the last piece. Numbered by the clock, so that a broker that takes over goes on behind."""
    room: int = 0
    """What the first half still takes."""
    dropped: int = 0
    head: Transcript = field(default_factory=Transcript)
    tail: Transcript = field(default_factory=Transcript)
    written: deque[_Piece] = field(default_factory=deque)
    written_size: int = 0
    note: int = 0
    """The number of the piece that tells what was dropped."""
    noted: int = 0
    lines: Lines = field(default_factory=Lines)
    shown: int = 0
    """What it may still say in the supervisor's log."""

    def __post_init__(self) -> None:
        self.room = self.half

    @property
    def pending(self) -> bool:
        """Whether something is to be written."""
        return self.head.size > 0 or self.tail.size > 0

    def print(self, text: str, at: float, stream: str) -> None:
        """It printed this."""
        if self.room:
            part = text[: self.room]
            self.head.print(part, at, stream)
            self.room -= len(part)
            text = text[len(part) :]
        if text:
            over = len(text) - self.half
            if over > 0:
                self.dropped += over
                text = text[over:]
            self.tail.print(text, at, stream)
            self._bound()

    def record(self, text: str, mark: Mark) -> None:
        """It logged this. A record is not torn where the first half ends."""
        if len(text) <= self.room:
            self.head.record(text, mark)
            self.room -= len(text)
            return
        self.room = 0
        self.tail.record(text, mark)
        self._bound()

    def _bound(self) -> None:
        if self.tail.size > 2 * self.half:
            self.dropped += self.tail.keep_last(self.half)

    def write(self, lease: int, wall: float, pieces: Pieces) -> list[Line]:
        """Move what is to be written to ``pieces``; the lines that are complete with it."""
        found: list[Line] = []
        if self.head.size:
            found += self._put(lease, wall, pieces, *self.head.take())
        if self.tail.size:
            self.dropped += self.tail.keep_last(self.half)
            self.note = self.note or self._next(wall)
            text, marks = self.tail.take()
            found += self._put(lease, wall, pieces, text, marks)
            self.written.append(_Piece(self.piece, text, marks))
            self.written_size += len(text)
            while self.written_size - len(self.written[0].text) >= self.half:
                gone = self.written.popleft()
                self.written_size -= len(gone.text)
                self.dropped += len(gone.text)
                pieces.dropped.append((self.entry.seq, lease, gone.number))
            self._tell_dropped(lease, wall, pieces)
        return found

    def finish(self, lease: int, wall: float, pieces: Pieces) -> list[Line]:
        """The attempt is over: write the rest, to the limit exactly."""
        found = self.write(lease, wall, pieces)
        over = self.written_size - self.half
        if over > 0:
            first = self.written[0]
            self.dropped += over
            text, marks = cut(first.text, first.marks, over)
            pieces.output.append((self.entry.seq, lease, first.number, wall, text))
            pieces.marks.append((self.entry.seq, lease, first.number, _encode(marks)))
            self._tell_dropped(lease, wall, pieces)
        return [*found, *self.lines.finish()]

    def _next(self, wall: float) -> int:
        self.piece = max(self.piece + 1, int(wall * 1e6))
        return self.piece

    def _put(self, lease: int, wall: float, pieces: Pieces, text: str, marks: list[Mark]) -> list[Line]:
        self._save(lease, wall, pieces, _Piece(self._next(wall), text, marks))
        pieces.talked.add(self.entry.id)
        return list(self.lines.feed(text, marks))

    def _save(self, lease: int, wall: float, pieces: Pieces, piece: _Piece) -> None:
        first, *others = piece.marks
        plain = not others and first.stream == STDOUT
        pieces.output.append((self.entry.seq, lease, piece.number, first.at if plain else wall, piece.text))
        if not plain:  # as a rule there is nothing to tell: it was printed, at that time
            pieces.marks.append((self.entry.seq, lease, piece.number, _encode(piece.marks)))

    def _tell_dropped(self, lease: int, wall: float, pieces: Pieces) -> None:
        if self.dropped != self.noted:
            self.noted = self.dropped
            text = f"\n[… {self.dropped:,} characters dropped …]\n"
            self._save(lease, wall, pieces, _Piece(self.note, text, [Mark(0, wall, NOTE, "warning", prefix=1)]))
