"""The calls that ask how things are: the numbers, the workers, what runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from supervisor.broker.connection import Connection
from supervisor.broker.figures import Counted
from supervisor.core.book import HANDLER_SECONDS
from supervisor.core.entry import Lease, Worker
from supervisor.ids import to_text
from supervisor.journal.rows import Pieces
from supervisor.queue_stats import QueueStats
from supervisor.scoreboard import Header, Running, Word
from supervisor.states import Cause
from supervisor.wire.numbers import Condition, HeldRow, WorkerRow

if TYPE_CHECKING:
    from supervisor.broker.service import Service

_CAUSES = list(Cause)


class Desk:
    """A part of the service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._since = time.monotonic()

    def stats(self, connection: Connection, ident: int | None) -> object:
        """Every number that the broker knows."""
        service, book = self._service, self._service.book
        counted = Counted(book.agenda.kinds.tallies, service.now.mono, self._since)
        since = service.board.get(Header.SINCE_NS)
        return QueueStats(
            total=counted.total(),
            queues=counted.by("queue"),
            tasks=counted.by("name"),
            unfinished=book.unfinished(),
            ready=len(book.agenda.waiting.ready),
            limit=book.agenda.capacity.limit,
            workers=len(book.workers),
            busy=book.busy,
            peak_concurrency=book.agenda.kinds.tallies.peak,
            waiting_calls=len(service.waiters),
            accepting=not book.agenda.closed,
            draining=book.draining,
            uptime=max(0.0, service.now.wall - since / 1e9) if since else 0.0,
            **service.info,
        )

    def condition(self, connection: Connection, ident: int | None) -> object:
        """In three words."""
        book = self._service.book
        return Condition(not book.agenda.closed, book.draining, book.busy)

    def workers(self, connection: Connection, ident: int | None) -> object:
        """Who works here, by their own word and the master's on the scoreboard."""
        return [self._worker(worker) for worker in self._service.book.workers.values()]

    def _worker(self, worker: Worker) -> WorkerRow:
        slot, now = self._service.board.slots[worker.slot], time.monotonic_ns()
        running = slot.running()
        death = slot.get(Word.DEATH)
        return WorkerRow(
            worker=worker.number,
            pid=worker.pid,
            seat=slot.get(Word.SEAT),
            generation=worker.generation,
            tasks_done=slot.get(Word.DONE),
            waiting=bool(slot.get(Word.WAITING)),
            last_death=_CAUSES[death - 1].value if 0 < death <= len(_CAUSES) else None,
            last_death_at=slot.get(Word.DEATH_NS) / 1e9 if death else None,
            holds=[_held(lease, running, now) for lease in worker.leases],
        )

    def count(self, pieces: Pieces, *, at_once: bool = False) -> None:
        """Once a second or so: have written down what was counted."""
        tallies, now = self._service.book.agenda.kinds.tallies, self._service.now
        pieces.totals += tallies.tick(now.mono, now.wall, at_once=at_once)
        if pieces.totals:
            pieces.old_totals += tallies.take_stale()


def _held(lease: Lease, running: Running | None, now_ns: int) -> HeldRow:
    entry, kind = lease.entry, lease.entry.kind
    own = entry.asking is None  # else its error handler runs, with a limit of its own
    return HeldRow(
        id=to_text(entry.id),
        name=kind.name,
        queue=kind.queue,
        attempt=entry.attempts + 1,
        started_at=lease.started_wall,
        elapsed=_elapsed(lease, running, now_ns),
        limit=kind.timeout if own else HANDLER_SECONDS,
        soft_limit=kind.soft_timeout if own else None,
    )


def _elapsed(lease: Lease, running: Running | None, now_ns: int) -> float | None:
    if running is None or not running.running or running.lease != lease.number:
        return None
    return (now_ns - running.started_ns) / 1e9
