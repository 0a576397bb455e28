"""What an attempt said: one text, with marks that tell which stretch of it came from where, and the lines in it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import msgspec
from msgspec import Raw, Struct

STDOUT, STDERR = "stdout", "stderr"
RAW = "raw"
"""Written past Python, by C or by other processes: both descriptors lead into one pipe, which keeps their order."""
LOG = "log"
NOTE = "supervisor"
"""Our own words, about what was dropped."""
NO_EXTRA = Raw(b"\x80")
_SAME_MOMENT = 0.001


class Mark(Struct, frozen=True, array_like=True, gc=False):
    """From where on a text has this origin. One of the log stands for one record, others for any number of lines."""

    start: int
    """Characters before it."""
    at: float
    """Wall-clock time."""
    stream: str
    level: str = "info"
    logger: str = ""
    extra: Raw = NO_EXTRA
    """The extra fields of a log record, as msgpack."""
    prefix: int = 0
    """How many characters at its beginning are not part of the message."""


class Line(Struct, frozen=True, array_like=True, gc=False):
    """One line, or one log record, which may have several."""

    at: float
    level: str
    message: str
    logger: str
    stream: str
    extra: Raw


def cut(text: str, marks: list[Mark], count: int) -> tuple[str, list[Mark]]:
    """The text without its first ``count`` characters, and its marks."""
    kept: list[Mark] = []
    for mark in marks:
        if mark.start > count:
            kept.append(msgspec.structs.replace(mark, start=mark.start - count))
        else:
            prefix = max(0, mark.prefix - (count - mark.start))
            kept = [msgspec.structs.replace(mark, start=0, prefix=prefix)]
    return text[count:], kept


class Transcript:
    """A text that grows, with its marks."""

    __slots__ = ("_fresh", "_last", "_marks", "_texts", "size")

    def __init__(self) -> None:
        self.size = 0
        self._texts: list[str] = []
        self._marks: list[Mark] = []
        self._last: Mark | None = None
        self._fresh = True
        """Whether the next character begins a line."""

    def print(self, text: str, at: float, stream: str) -> None:
        """Add what was printed, in whatever pieces. Those that follow at once share a mark."""
        last = self._last
        if last is None or last.stream != stream:
            self._mark(Mark(self.size, at, stream))
        elif at - last.at > _SAME_MOMENT:
            start = 0 if self._fresh else text.find("\n") + 1
            if self._fresh or 0 < start < len(text):
                self._mark(Mark(self.size + start, at, stream))
        self._texts.append(text)
        self.size += len(text)
        self._fresh = text[-1] == "\n"

    def record(self, text: str, mark: Mark) -> None:
        """Add a log record, or a note; the start of its mark is found here."""
        self._mark(msgspec.structs.replace(mark, start=self.size))
        self._texts.append(text)
        self.size += len(text)
        self._fresh = True

    def _mark(self, mark: Mark) -> None:
        self._marks.append(mark)
        self._last = mark

    def keep_last(self, count: int) -> int:
        """Drop what is before the last ``count`` characters; how many were dropped."""
        dropped = self.size - count
        if dropped <= 0:
            return 0
        text, self._marks = cut("".join(self._texts), self._marks, dropped)
        self._texts, self.size, self._last = [text], count, self._marks[-1]
        return dropped

    def take(self) -> tuple[str, list[Mark]]:
        """All of it; what comes next begins a new one."""
        taken = "".join(self._texts), self._marks
        self._texts, self._marks, self._last, self.size = [], [], None, 0
        return taken


class Lines:
    """Puts the lines of one attempt together again, from pieces that may end in the middle of one."""

    def __init__(self) -> None:
        self._begun: dict[str, tuple[float, str]] = {}
        """By stream, the line that has no end yet, and when it began."""

    def feed(self, text: str, marks: list[Mark]) -> Iterator[Line]:
        """The lines that are complete with this piece."""
        ends = [mark.start for mark in marks] + [len(text)]
        for mark, (start, end) in zip(marks, pairwise(ends), strict=True):
            if mark.stream == NOTE:
                yield from self.finish()
            if mark.stream in (LOG, NOTE):
                message = text[start + mark.prefix : end].removesuffix("\n")
                yield Line(mark.at, mark.level, message, mark.logger, mark.stream, mark.extra)
            else:
                yield from self._printed(text[start:end], mark)

    def _printed(self, text: str, mark: Mark) -> Iterator[Line]:
        at, begun = self._begun.pop(mark.stream, (mark.at, ""))
        *whole, rest = (begun + text).split("\n")
        for message in whole:
            yield Line(at, mark.level, message, "", mark.stream, NO_EXTRA)
            at = mark.at
        if rest:
            self._begun[mark.stream] = (at, rest)

    def finish(self) -> Iterator[Line]:
        """What was never ended, as it is."""
        begun, self._begun = self._begun, {}
        for stream, (at, message) in begun.items():
            yield Line(at, "info", message, "", stream, NO_EXTRA)
