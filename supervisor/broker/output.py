"""Reading what tasks print, and keeping a bounded part of it.

The pipes outlive their workers, so what was printed before a kill is there. They are always read to the bottom, a
flood included: a task must never hang on a full pipe because nobody listens. What is over the limit is dropped and
counted: the first half of the limit is kept, and the last.
"""

from __future__ import annotations

import os
import select
from dataclasses import dataclass, field

from supervisor.core.book import Book
from supervisor.core.moment import Moment
from supervisor.journal.rows import Pieces
from supervisor.scoreboard import Scoreboard
from supervisor.wire.messages import ProgressData
from supervisor.wire.talk import Kind, TalkBuffer, decode_progress

_READ = 1 << 20
_MOST_READS = 64
_FLUSH_SECONDS = 0.2


@dataclass(slots=True)
class _Kept:
    """What one attempt has printed and told so far."""

    seq: int
    head: int = 0
    """Bytes written through already."""
    pending: list[str] = field(default_factory=list)
    tail: str = ""
    dropped: int = 0
    piece: int = 0
    progress: ProgressData | None = None


@dataclass(slots=True)
class _Pipes:
    """The two pipes of a worker: framed talk from Python, raw bytes from everything else."""

    worker: int
    slot: int
    talk: int
    raw: int
    frames: TalkBuffer = field(default_factory=TalkBuffer)


class OutputReader:
    """The reader of every worker's pipes. ``descriptor`` becomes readable when there is something to read."""

    def __init__(self, book: Book, board: Scoreboard, limit: int) -> None:
        self._book = book
        self._board = board
        self._half = max(1, limit // 2)
        self._epoll = select.epoll()
        self.descriptor = self._epoll.fileno()
        self._by_fd: dict[int, _Pipes] = {}
        self._kept: dict[int, _Kept] = {}
        self._flush_at = self._wall = 0.0

    def open(self, worker: int, slot: int, descriptors: list[int]) -> None:
        """Read these two pipes from now on."""
        talk, raw = descriptors
        pipes = _Pipes(worker, slot, talk, raw)
        for descriptor in descriptors:
            os.set_blocking(descriptor, False)
            self._by_fd[descriptor] = pipes
            self._epoll.register(descriptor, select.EPOLLIN)

    def close(self, worker: int) -> None:
        """The worker is dead. A process that it left may hold the pipe open: we do not wait for its end."""
        self.read()
        for descriptor in [fd for fd, pipes in self._by_fd.items() if pipes.worker == worker]:
            self._forget(descriptor)

    def _forget(self, descriptor: int) -> None:
        del self._by_fd[descriptor]
        self._epoll.unregister(descriptor)
        os.close(descriptor)

    def read(self) -> None:
        """Read all there is, once for each ready pipe."""
        for descriptor, _ in self._epoll.poll(0):
            pipes = self._by_fd[descriptor]
            for _ in range(_MOST_READS):
                # Before it is read: a worker that ends an attempt takes what it left in the raw pipe with it.
                running = self._board.slots[pipes.slot].running() if descriptor == pipes.raw else None
                try:
                    data = os.read(descriptor, _READ)
                except BlockingIOError:
                    break
                if not data:
                    self._forget(descriptor)
                    break
                if descriptor == pipes.talk:
                    self._hear(pipes, data)
                elif running is not None:
                    self._print(running.lease, data.decode("utf-8", "replace"))

    def _hear(self, pipes: _Pipes, data: bytes) -> None:
        for said in pipes.frames.feed(data):
            if said.kind == Kind.OUTPUT:
                self._print(said.lease, said.data.decode("utf-8", "replace"))
            elif said.kind == Kind.PROGRESS and (kept := self._of(said.lease)) is not None:
                kept.progress = decode_progress(said.data)

    def _of(self, number: int) -> _Kept | None:
        kept = self._kept.get(number)
        if kept is None:
            lease = self._book.leases.get(number)
            if lease is None:
                return None  # said by a process that outlived its attempt
            kept = self._kept[number] = _Kept(lease.entry.seq)
        return kept

    def _print(self, lease: int, text: str) -> None:
        kept = self._of(lease)
        if kept is None:
            return
        if kept.head < self._half:
            part = text[: self._half - kept.head]
            kept.pending.append(part)
            kept.head += len(part)
            text = text[len(part) :]
        if text:
            tail = kept.tail + text[-self._half :]
            kept.dropped += len(kept.tail) + len(text) - len(tail[-self._half :])
            kept.tail = tail[-self._half :]

    def progress_of(self, lease: int) -> ProgressData | None:
        """The last progress that this running attempt told."""
        kept = self._kept.get(lease)
        return kept.progress if kept else None

    def collect(self, pieces: Pieces, ended: list[tuple[int, int]], now: Moment) -> None:
        """Move what is to be written to ``pieces``: all of the attempts that ended, and now and then of the others."""
        self._wall = now.wall
        for lease, _ in ended:
            kept = self._kept.pop(lease, None)
            if kept is not None:
                self._finish(lease, kept, pieces)
        if self._kept and now.mono >= self._flush_at:
            self._flush_at = now.mono + _FLUSH_SECONDS
            for lease, kept in self._kept.items():
                self._write(lease, kept, pieces)

    def _finish(self, lease: int, kept: _Kept, pieces: Pieces) -> None:
        if kept.dropped:
            kept.pending.append(f"\n[… {kept.dropped:,} characters dropped …]\n")
        if kept.tail:
            kept.pending.append(kept.tail)
        self._write(lease, kept, pieces)
        if kept.progress is not None:
            pieces.progress.append((kept.seq, kept.progress.done, kept.progress.total, kept.progress.message))

    def _write(self, lease: int, kept: _Kept, pieces: Pieces) -> None:
        if not kept.pending:
            return
        # Numbered by the clock, so that a broker that takes over does not write over its predecessor's pieces.
        wall = self._wall
        kept.piece = max(kept.piece + 1, int(wall * 1e6))
        pieces.output.append((kept.seq, lease, kept.piece, wall, "".join(kept.pending)))
        kept.pending.clear()

    @property
    def wants_flush(self) -> bool:
        """Whether something waits to be written."""
        return any(kept.pending for kept in self._kept.values())
