"""The workers of the in-process mode. One task runs at a time, and those that it waits for in the middle of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context

from supervisor import hooks, registry, task_hooks
from supervisor.settings import Settings
from supervisor.testing.broker import InProcessBroker
from supervisor.testing.clock import Clock
from supervisor.testing.worker import InProcessWorker, running
from supervisor.wire.channel import CancelRunning, Message
from supervisor.wire.messages import Grant

_GRACE_SECONDS = 5.0
_FOR_EVER = -1.0


class BusyError(Exception):
    """Another thread runs a task, and has not come to its end in time."""


class Crew:
    """Hires as many as are needed: a task that waits for another keeps its worker."""

    def __init__(self, broker: InProcessBroker, settings: Settings, clock: Clock) -> None:
        self._broker = broker
        self._settings = settings
        self._clock = clock
        self._running = threading.Lock()
        self._workers: dict[int, InProcessWorker] = {}
        self._idle: list[InProcessWorker] = []
        self._hired = 0
        self._known: tuple[object, ...] = ()

    def run_one(self, unless: Callable[[], bool] = lambda: False, patience: float = _FOR_EVER) -> Grant | None:
        """Run the next task that is due, ``unless`` that is not wanted any more once it is our turn; None for none.

        BusyError when another thread runs one for more than so many seconds.
        """
        with self._turn(patience):
            if unless():
                return None
            worker = self._idle.pop() if self._idle else self._hire()
            grant = _outside_of_loops(worker.work)
            if worker.alive:
                self._idle.append(worker)
            else:
                self._dismiss(worker)
            return grant

    @contextmanager
    def _turn(self, patience: float = _FOR_EVER) -> Generator[None]:
        if running.get() is not None:  # what a task waits for runs in its middle
            yield
            return
        if not self._running.acquire(timeout=patience):
            raise BusyError
        try:
            yield
        finally:
            self._running.release()

    def run_all(self) -> int:
        """Run what is due until nothing is; how many attempts there were."""
        count = 0
        while self.run_one() is not None:
            count += 1
        return count

    def _hire(self) -> InProcessWorker:
        self._hired += 1
        if self._hired == 1:
            hooks.run_starts()
        worker = InProcessWorker(self._hired, self._broker, self._settings, self._clock)
        self._workers[worker.number] = worker
        return worker

    def _dismiss(self, worker: InProcessWorker) -> None:
        del self._workers[worker.number]
        worker.close()

    def renew(self) -> bool:
        """Those who do nothing leave if something was registered since they came; whether it was."""
        known = (len(registry.names()), *task_hooks.wanted())
        if known == self._known:
            return False
        self._known = known
        with self._turn():
            idle, self._idle = self._idle, []
            for worker in idle:
                self._dismiss(worker)
        return True

    def hear(self, word: Message) -> None:
        """What the broker has said to the master."""
        if isinstance(word, CancelRunning) and word.worker in self._workers:
            self._workers[word.worker].cancel(word.lease)

    def close(self) -> None:
        """All leave; what runs in another thread has a moment for its end."""
        self._running.acquire(timeout=_GRACE_SECONDS)
        self._idle.clear()
        for worker in list(self._workers.values()):
            self._dismiss(worker)
        if self._hired:
            hooks.run_stops()
        self._hired = 0


def _outside_of_loops(work: Callable[[], Grant | None]) -> Grant | None:
    """Work in this thread; where an event loop runs in it, in another, for a coroutine needs a loop of its own."""
    if not _in_loop():
        return work()
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, work).result()


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
