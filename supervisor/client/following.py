"""Reading what a task says, slice by slice, each asked for when the one before was read."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, TypeAlias

import msgspec

from supervisor.client import calls
from supervisor.client.calls import Call
from supervisor.core.transcript import STDOUT, Line, Lines, Mark
from supervisor.errors import StreamRestartedError, WaitTimeoutError
from supervisor.ids import id_of
from supervisor.records import LogLine
from supervisor.wire.talks import ItemSlice, Place, Said, SaidSlice, Seen

Restart: TypeAlias = Literal["skip", "raise"]
_SLICE = 5.0
"""Short, since a Ctrl-C in the instant before a receive blocks is only seen when that has ended."""
_decode_marks = msgspec.msgpack.Decoder(list[Mark]).decode
_decode_extra: Callable[[msgspec.Raw], dict[str, Any]] = msgspec.msgpack.Decoder(dict[str, Any]).decode


class _Patience:
    """How long may be waited for the next thing."""

    def __init__(self, task_id: str, timeout: float | None) -> None:
        self._task_id = task_id
        self._timeout = timeout
        self.renew()

    def renew(self) -> None:
        """Something has come."""
        self._until = math.inf if self._timeout is None else time.monotonic() + self._timeout

    def left(self) -> float:
        """Seconds for the next slice. Raises WaitTimeoutError when the time is up."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise WaitTimeoutError(self._task_id, self._timeout or 0.0)
        return min(_SLICE, left)


class Following:
    """The lines of a task from the first on."""

    def __init__(self, task_id: str, attempt: int | None, timeout: float | None) -> None:
        self.id = id_of(task_id)
        self._attempt = attempt
        self._patience = _Patience(task_id, timeout)
        self._place = Place()
        self._lines = Lines()
        self._of = 0
        """The number of the attempt that is being read."""
        self.ended = False

    def call(self, timeout: float, *, wait: bool = True) -> Call[SaidSlice]:
        """The next slice; ``timeout`` is what any call may take. Raises WaitTimeoutError."""
        return calls.said(self.id, self._place, self._patience.left() if wait else 0.0, timeout)

    def take(self, found: SaidSlice, *, to_the_end: bool = False) -> Iterator[LogLine]:
        """The lines that are complete now; the rest as well when this was all (of what there is, ``to_the_end``)."""
        for piece in found.pieces:
            if piece.lease != self._place.lease:
                yield from self._told(self._lines.finish())
                self._of = piece.attempt
            self._place = Place(piece.lease, piece.piece)
            yield from self._told(self._lines.feed(piece.text, _marks(piece)))
        self.ended = found.ended or (to_the_end and not found.pieces)
        if found.pieces:
            self._patience.renew()
        if self.ended:
            yield from self._told(self._lines.finish())

    def _told(self, lines: Iterator[Line]) -> Iterator[LogLine]:
        for line in lines:
            if self._attempt in (None, self._of):
                extra = _decode_extra(line.extra)
                yield LogLine(line.at, line.level, line.message, line.logger, line.stream, extra, self._of)


def _marks(piece: Said) -> list[Mark]:
    return _decode_marks(piece.marks) if piece.marks else [Mark(0, piece.at, STDOUT)]


class Streaming:
    """The items of a task from the first on, each once."""

    def __init__(self, task_id: str, restart: Restart, timeout: float | None) -> None:
        if restart not in ("skip", "raise"):
            raise ValueError(f'restart={restart!r} makes no sense: expected "skip" or "raise"')
        self.id = id_of(task_id)
        self.text = task_id
        self._restart = restart
        self._patience = _Patience(task_id, timeout)
        self._seen = Seen()
        self.ended = False

    def call(self, timeout: float) -> Call[ItemSlice]:
        """The next slice; ``timeout`` is what any call may take. Raises WaitTimeoutError."""
        return calls.items(self.id, self._seen, self._patience.left(), timeout)

    def take(self, found: ItemSlice) -> list[tuple[int, int, bytes | None]]:
        """The new items: the attempt's lease, their numbers, and their bytes (None: in a file).

        Raises StreamRestartedError where that was asked for.
        """
        before = self._seen
        if self._restart == "raise" and before.number and found.lease != before.lease:
            raise StreamRestartedError(self.text, before.number)
        self._seen = Seen(before.number + len(found.items), found.lease)
        self.ended = found.ended
        if found.items:
            self._patience.renew()
        return [
            (found.lease, number, None if file else data)
            for number, (file, data) in enumerate(found.items, before.number)
        ]


def lines_of(task_id: str, said: Iterable[Said], attempt: int | None = None) -> Iterator[LogLine]:
    """The lines in what a task has said so far."""
    following = Following(task_id, attempt, None)
    for piece in said:
        yield from following.take(SaidSlice([piece], ended=False))
    yield from following.take(SaidSlice([], ended=True))
