"""Reading what tasks print and log, and keeping a bounded part of it.

The pipes outlive their workers, so what was printed before a kill is there. They are always read to the bottom, a
flood included: a task must never hang on a full pipe because nobody listens. What is over the limit is dropped and
counted: the first half of the limit is kept, and the last (see :mod:`supervisor.broker.kept`).
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from dataclasses import dataclass, field

from supervisor.broker.kept import Kept
from supervisor.broker.tasklog import TaskLog
from supervisor.broker.told import Told
from supervisor.core.book import Book
from supervisor.core.moment import Moment
from supervisor.core.transcript import LOG, RAW, STDERR, STDOUT, Mark
from supervisor.journal.rows import Pieces
from supervisor.log import log
from supervisor.scoreboard import Scoreboard, Slot
from supervisor.wire.codec import MALFORMED
from supervisor.wire.messages import ProgressData
from supervisor.wire.talk import Kind, Letters, TalkBuffer, decode_record

_READ = 1 << 20
_MOST_READS = 64
_FLUSH_SECONDS = 0.2
_FOLLOWED_SECONDS = 0.05
_PRINTED: dict[int, str] = {Kind.OUTPUT: STDOUT, Kind.ERRORS: STDERR, Kind.RAW: RAW}
_LETTERS = (Kind.RECORD, Kind.CONTEXT, Kind.PROFILE)


@dataclass(slots=True)
class _Pipes:
    """The two pipes of a worker: framed talk from Python, raw bytes from everything else."""

    worker: int
    slot: int
    talk: int
    raw: int
    frames: TalkBuffer = field(default_factory=TalkBuffer)
    letters: Letters = field(default_factory=Letters)


def read_raw(slot: Slot, descriptor: int) -> tuple[int, bytes]:
    """What stands in the raw pipe, and the lease whose it is.

    A worker in a batch takes what an attempt left there with it, and goes on without asking us: it must not begin the
    next while we read, or that one's first words would be taken for the last one's.
    """
    lease = slot.read_begins()
    try:
        return lease, os.read(descriptor, _READ)
    finally:
        slot.read_ended()


class OutputReader:
    """The reader of every worker's pipes. ``descriptor`` becomes readable when there is something to read."""

    def __init__(
        self,
        book: Book,
        board: Scoreboard,
        limit: int,
        last_piece: Callable[[int, int], int] = lambda seq, lease: 0,
        log: TaskLog | None = None,
    ) -> None:
        """``last_piece`` tells, by seq and lease, the number of the last piece that is in the journal."""
        self._book = book
        self._board = board
        self._half = max(1, limit // 2)
        self._last_piece = last_piece
        self._inherited = set(book.leases)
        """Leases that an earlier broker may have written pieces of."""
        self._epoll = select.epoll()
        self.descriptor = self._epoll.fileno()
        self._by_fd: dict[int, _Pipes] = {}
        self._kept: dict[int, Kept] = {}
        self._told: dict[int, Told] = {}
        """By lease: the attempts that have told something of themselves."""
        self._news: dict[int, Told] = {}
        """Those that have in this turn."""
        self._flush_at = 0.0
        self.followed = False
        """Whether somebody waits for what is said."""
        self._log = log

    def open(self, worker: int, slot: int, descriptors: list[int]) -> None:
        """Read these two pipes from now on."""
        talk, raw = descriptors
        pipes = _Pipes(worker, slot, talk, raw)
        self._board.slots[slot].read_ended()  # a broker before us may have died at it
        for descriptor in descriptors:
            os.set_blocking(descriptor, False)
            self._by_fd[descriptor] = pipes
            self._epoll.register(descriptor, select.EPOLLIN)

    def close(self, worker: int, now: Moment) -> None:
        """The worker is dead. A process that it left may hold the pipe open: we do not wait for its end."""
        self.read(now)
        for descriptor in [fd for fd, pipes in self._by_fd.items() if pipes.worker == worker]:
            self._forget(descriptor)

    def _forget(self, descriptor: int) -> None:
        del self._by_fd[descriptor]
        self._epoll.unregister(descriptor)
        os.close(descriptor)

    def read(self, now: Moment) -> None:
        """Read all there is, once for each ready pipe."""
        for descriptor, _ in self._epoll.poll(0):
            pipes = self._by_fd[descriptor]
            for _ in range(_MOST_READS):
                lease = 0
                try:
                    if descriptor == pipes.talk:
                        data = os.read(descriptor, _READ)
                    else:
                        lease, data = read_raw(self._board.slots[pipes.slot], descriptor)
                except BlockingIOError:
                    break
                if not data:
                    self._forget(descriptor)
                    break
                if descriptor == pipes.talk:
                    self._hear(pipes, data, now.wall)
                else:
                    self._print(lease, data, RAW, now.wall)

    def _hear(self, pipes: _Pipes, data: bytes, wall: float) -> None:
        for said in pipes.frames.feed(data):
            stream = _PRINTED.get(said.kind)
            if stream is not None:
                self._print(said.lease, said.data, stream, wall)
                continue
            whole = pipes.letters.add(said.data) if said.kind in _LETTERS else said.data
            if whole is None:
                continue  # more of it is to come
            if said.kind == Kind.RECORD:
                self._record(said.lease, whole)
            else:
                self._tell(said.lease, said.kind, whole)

    def _of(self, number: int) -> Kept | None:
        kept = self._kept.get(number)
        if kept is None:
            lease = self._book.leases.get(number)
            if lease is None:
                return None  # said by a process that outlived its attempt
            entry = lease.entry
            last = self._last_piece(entry.seq, number) if number in self._inherited else 0
            worker = self._book.workers.get(lease.worker)
            kept = self._kept[number] = Kept(entry, worker.pid if worker else 0, self._half, last)
        return kept

    def _print(self, lease: int, data: bytes, stream: str, wall: float) -> None:
        kept = self._of(lease)
        if kept is not None:
            kept.print(data.decode("utf-8", "replace"), wall, stream)

    def _tell(self, number: int, kind: int, data: bytes) -> None:
        lease = self._book.leases.get(number)
        if lease is None:
            return  # told by a process that outlived its attempt
        told = self._told.get(number)
        if told is None:
            told = self._told[number] = Told(number, lease.entry)
        told.hear(kind, data)
        self._news[number] = told

    def _record(self, lease: int, data: bytes) -> None:
        kept = self._of(lease)
        if kept is None:
            return
        try:
            told = decode_record(data)
        except MALFORMED as error:
            log.debug("a log record of a task makes no sense: %s", error)
            return
        prefix = f"{told.level.upper()} {told.logger}: "
        mark = Mark(0, told.at, LOG, told.level, told.logger, told.extra, len(prefix))
        kept.record(f"{prefix}{told.message}\n", mark)

    def progress_of(self, lease: int) -> ProgressData | None:
        """The last progress that this running attempt told."""
        told = self._told.get(lease)
        return told.progress if told else None

    def collect(self, pieces: Pieces, ended: list[int], now: Moment) -> None:
        """Move what is to be written to ``pieces``: all of the attempts that ended, and now and then of the others."""
        if self._news:
            for told in self._news.values():
                told.write(pieces)
            self._news.clear()
        for lease in ended if self._told or self._kept else ():
            self._told.pop(lease, None)
            kept = self._kept.pop(lease, None)
            if kept is not None:
                texts = kept.finish(lease, now.wall, pieces)
                if self._log is not None and (texts or kept.shown is not None):
                    self._log.tell(kept, texts, ended=True)
        if self._kept and now.mono >= self._flush_at:
            self._flush_at = now.mono + (_FOLLOWED_SECONDS if self.followed else _FLUSH_SECONDS)
            for lease, kept in self._kept.items():
                if kept.pending:
                    texts = kept.write(lease, now.wall, pieces)
                    if self._log is not None:
                        self._log.tell(kept, texts)

    @property
    def next_flush(self) -> float | None:
        """When something that waits is to be written."""
        return self._flush_at if self._kept and any(kept.pending for kept in self._kept.values()) else None
