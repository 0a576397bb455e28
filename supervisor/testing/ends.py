"""The blocking and the asyncio end of a queue in this process."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import TypeVar

from supervisor.client.calls import Call
from supervisor.errors import QueueUnavailableError, StandstillError
from supervisor.ids import to_text
from supervisor.testing.broker import InProcessBroker
from supervisor.testing.crew import BusyError, Crew
from supervisor.testing.wire import Inbox, read
from supervisor.testing.worker import running
from supervisor.wire.codec import encode

T = TypeVar("T")
_ID_BYTES = 16


class NearEnd:
    """Performs calls in the caller's thread. One that waits has what is due run until it is answered.

    ``eager``: after each call that does not come from a task, what is due is run.
    """

    def __init__(self, broker: InProcessBroker, crew: Crew, place: str, *, eager: bool) -> None:
        self.opened = 1
        self._broker = broker
        self._crew = crew
        self._place = place
        self._eager = eager
        self._pid = os.getpid()
        self.before: Callable[[], object] = lambda: None
        """Called before each call that does not come from a task."""

    def perform(self, call: Call[T]) -> T:
        """Make a call; its value. Raises whatever error the broker answers with."""
        inbox = self.send(call, call.timeout)
        if self.unfinished(inbox):
            inbox = self.finish(inbox, call)
        return self.value(inbox, call)

    def send(self, call: Call[T], left: float) -> Inbox:
        """The first half: where the answer comes, or has come. ``left``: seconds that it may take."""
        if self._pid != os.getpid():
            reason = f"it is in process {self._pid}, and nobody else can reach it; use supervisor_tree for several"
            raise QueueUnavailableError(self._place, reason)
        if running.get() is None:
            self.before()
        inbox = Inbox()
        method, arguments = call.method, call.arguments(left, False)
        if method == "wait_within" and running.get() is None:
            method, arguments = "wait", arguments[:3]  # a task runs here, but in another thread, and does not wait
        self._broker.request(inbox, encode((0, method, arguments)))
        return inbox

    def unfinished(self, inbox: Inbox) -> bool:
        """Whether something has to be run before the call is over."""
        return not inbox.received or (self._eager and running.get() is None and self._broker.ready)

    def finish(self, inbox: Inbox, call: Call[T]) -> Inbox:
        """Run it; where the answer is. StandstillError when nothing that is due brings it."""
        until = time.monotonic() + call.timeout
        while not inbox.received:
            try:
                ran = self._crew.run_one(lambda: bool(inbox.received), max(0.0, until - time.monotonic()))
            except BusyError:
                self._broker.hang_up(inbox)
                return self.send(call, 0.0)  # which is answered at once, as when the time is up
            if ran is None and not inbox.received:
                self._broker.hang_up(inbox)
                task_id = _task_of(call)
                raise StandstillError(to_text(task_id), self._broker.state(task_id))
        if self._eager and running.get() is None:
            self._crew.run_all()
        return inbox

    def value(self, inbox: Inbox, call: Call[T]) -> T:
        """The second half."""
        return read(inbox, call)

    def close(self) -> None:
        """Nothing is kept open."""


class AsyncNearEnd:
    """The same for coroutines: what has to be run is run in another thread."""

    def __init__(self, near: NearEnd) -> None:
        self.opened = 1
        self._near = near

    async def perform(self, call: Call[T]) -> T:
        """Make a call; see :meth:`NearEnd.perform`."""
        inbox = self._near.send(call, call.timeout)
        if self._near.unfinished(inbox):
            inbox = await asyncio.to_thread(self._near.finish, inbox, call)
        return self._near.value(inbox, call)


def _task_of(call: Call[T]) -> bytes:
    """The task that a call is about."""
    about = next(iter(call.arguments(0.0, False)), b"")
    return about if isinstance(about, bytes) and len(about) == _ID_BYTES else bytes(_ID_BYTES)
