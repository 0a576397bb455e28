"""Taking back tasks that were handed to a worker and not started."""

from __future__ import annotations

from supervisor.core.book import Book
from supervisor.core.entry import Worker
from supervisor.core.moment import Moment
from supervisor.scoreboard import Slot


def take_back(book: Book, worker: Worker, slot: Slot, now: Moment, keep: int = 0) -> int:
    """Take back what this worker has not started, but for the lease ``keep`` and earlier ones; how many there were.

    Our word is written before the worker's is read, and the worker does it the other way round (it writes that it
    starts a lease, then reads what is revoked): at most one of us goes on to believe that the task is its own.
    """
    started = max(_started(slot), keep)
    slot.revoke(started + 1)
    started = max(_started(slot), started)
    claim = slot.claimed()
    if claim is not None and claim.lease > started:
        slot.unclaim()  # nothing of that claim is left to hold the worker to
    return book.revoke(worker, started + 1, now)


def _started(slot: Slot) -> int:
    running = slot.running()
    return running.lease if running is not None else 0
