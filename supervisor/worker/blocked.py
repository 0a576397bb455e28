"""Saying that the task which runs here waits for another one, so that there is a worker more for as long as it does.

Without that, tasks that wait for tasks could fill every worker, and nobody would be left to run what they wait for.
Known in the worker's own process only: processes that a task starts are not seen waiting.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from supervisor.errors import TooManyWaitingError
from supervisor.scoreboard import Header, Scoreboard, Slot, Word


@dataclass(slots=True)
class _Place:
    """Where this worker says so."""

    pid: int
    board: Scoreboard
    slot: Slot
    wake: int
    """The event that makes the master look."""
    waits: set[object] = field(default_factory=set)
    """Of the running task, for it may have threads, or coroutines, that wait at the same time."""
    lock: threading.Lock = field(default_factory=threading.Lock)


_place: _Place | None = None


def settle(board: Scoreboard, slot: Slot, wake: int) -> None:
    """This process is a worker from now on."""
    global _place  # noqa: PLW0603  one worker a process
    _place = _Place(os.getpid(), board, slot, wake)


def in_worker() -> bool:
    """Whether this process is a worker, and so whether :func:`blocked` does anything."""
    return _place is not None and _place.pid == os.getpid()


@contextmanager
def blocked() -> Generator[None]:
    """For as long as this block runs, the task waits for other tasks. Nothing but ``yield`` outside of a worker.

    Raises TooManyWaitingError where as many tasks wait as may.
    """
    place = _place
    if place is None or place.pid != os.getpid():
        yield
        return
    token = object()
    try:
        _begin(place, token)
        yield
    finally:
        _end(place, token)


def _begin(place: _Place, token: object) -> None:
    with place.lock:
        place.waits.add(token)
        if len(place.waits) > 1:
            return
        # Said before the others are counted: of two that do so at once, both see both.
        place.slot.put(Word.WAITING, 1)
    most = place.board.get(Header.MOST_WAITING)
    if place.board.waiting() > most:
        raise TooManyWaitingError(most)
    os.eventfd_write(place.wake, 1)


def _end(place: _Place, token: object) -> None:
    with place.lock:
        place.waits.discard(token)
        if not place.waits:
            place.slot.put(Word.WAITING, 0)


def forget() -> None:
    """The task is over: what it has left waiting is nothing to this worker."""
    place = _place
    if place is not None and place.waits:
        with place.lock:
            place.waits.clear()
            place.slot.put(Word.WAITING, 0)
