"""What a task yields, on its way into the journal, and at most so much of it ahead of that.

A task that yields now and then goes on when its item is there: should the broker die with it half taken in, its
successor hears of it at once, and not only when the task yields again. One that yields without a pause does not wait
for each, which would make it ten times slower.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from types import AsyncGeneratorType, GeneratorType

from supervisor.errors import StreamForkError
from supervisor.payloads import PayloadStore
from supervisor.wire.messages import Grant
from supervisor.wire.talks import Item
from supervisor.worker.link import Link

_MOST_ITEMS = 64
_MOST_BYTES = 64 * 1024
"""On the way at a time. It fits into the socket, so sending does not block."""
_PAUSE_SECONDS = 0.002
_LOOK_SECONDS = 0.05
_AGAIN_SECONDS = 0.02


class Outlet:
    """Where the items of one attempt go."""

    def __init__(self, link: Link, store: PayloadStore, grant: Grant) -> None:
        self._link = link
        self._store = store
        self._grant = grant
        self._pid = os.getpid()
        self._number = 0
        self._bytes = 0
        """Sent since nothing was on its way."""
        self._last = 0.0
        """When the item before was sent."""
        self.failed: BaseException | None = None
        """Why an item could not be sent."""

    def put(self, value: object) -> bool:
        """Send an item; whether to :meth:`wait` before the task goes on.

        Raises SerializationError, MessageTooLargeError, and StreamForkError in a process that the task has forked:
        the connection is not its own.
        """
        try:
            if os.getpid() != self._pid:
                raise StreamForkError
            item: Item = self._store.item(value, self._grant, self._number)
        except BaseException as error:
            self.failed = error
            raise
        self._number += 1
        self._bytes += len(item.data)
        self._link.put(item)
        last, self._last = self._last, time.monotonic()
        if self._last - last > _PAUSE_SECONDS:
            return True
        while self._link.unanswered() and self._link.look(0.0):
            pass
        if not self._link.unanswered():
            self._bytes = 0
        return self._link.unanswered() >= _MOST_ITEMS or self._bytes >= _MOST_BYTES

    def wait(self, interrupted: Callable[[], bool]) -> None:
        """Wait until everything is in the journal; not while ``interrupted``."""
        while self._link.unanswered() and not interrupted():
            if not self._link.look(_LOOK_SECONDS) and self._link.fileno() is None:
                time.sleep(_AGAIN_SECONDS)
        self._last, self._bytes = time.monotonic(), 0

    async def await_(self) -> None:
        """:meth:`wait` on an event loop, which goes on meanwhile."""
        loop = asyncio.get_running_loop()
        while self._link.unanswered():
            if self._link.look(0.0):
                continue
            descriptor = self._link.fileno()
            if descriptor is None:
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            arrived = asyncio.Event()
            loop.add_reader(descriptor, arrived.set)
            try:
                await arrived.wait()
            finally:
                loop.remove_reader(descriptor)
        self._last, self._bytes = time.monotonic(), 0


class Stream:
    """A generator, and where its items go. Sending one is never interrupted."""

    def __init__(
        self,
        generator: GeneratorType[object, None, object],
        outlet: Outlet,
        heard: Callable[[BaseException], None],
    ) -> None:
        """``heard`` is told of what was held and is raised now."""
        self._generator = generator
        self._outlet = outlet
        self._heard = heard
        self._held: BaseException | None = None

    def hold(self, error: BaseException) -> bool:
        """Raise this in the generator where it goes on, if it does not run just now; whether that is so."""
        waits = not self._generator.gi_running
        self._held = error if waits else None
        return waits

    def run(self) -> object:
        """What the generator returns in the end."""
        while True:
            held = self._take_held()
            try:
                item = next(self._generator) if held is None else self._throw(held)
            except StopIteration as end:
                return end.value
            try:
                full = self._outlet.put(item)
            except BaseException:
                self._generator.close()
                raise
            if full:
                self._outlet.wait(lambda: self._held is not None)

    def _take_held(self) -> BaseException | None:
        held, self._held = self._held, None
        return held

    def _throw(self, error: BaseException) -> object:
        self._heard(error)
        return self._generator.throw(error)


async def stream_async(generator: AsyncGeneratorType[object, None], outlet: Outlet) -> None:
    """Send what an asynchronous generator yields, until it has ended."""
    try:
        async for item in generator:
            if outlet.put(item):
                await outlet.await_()
    finally:
        await generator.aclose()
