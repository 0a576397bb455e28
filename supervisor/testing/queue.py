"""The queue of the in-process mode: the real one, but for the processes, and with a clock that is the test's own."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from supervisor.client.ends import Ends
from supervisor.directory import Directory
from supervisor.ids import to_text
from supervisor.launch import Spec
from supervisor.records import TaskRecord
from supervisor.settings import Settings
from supervisor.taskqueue import TaskQueue, queue
from supervisor.template import application
from supervisor.testing.broker import InProcessBroker
from supervisor.testing.clock import Clock
from supervisor.testing.crew import Crew
from supervisor.testing.ends import AsyncNearEnd, NearEnd
from supervisor.testing.itself import Itself
from supervisor.testing.worker import running
from supervisor.wire.channel import Message

_DEFAULTS: Mapping[str, object] = {"cpus": "off", "workers": 1, "retry_jitter": 0.0}
_MOST_STEPS = 10_000


class _House:
    """Everything that lives in this process while a queue is open."""

    def __init__(self, chosen: Mapping[str, object], clock: Clock, timeout: float, *, eager: bool) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="supervisor-testing-"))
        self._clear = weakref.finalize(self, _clear, self.place, os.getpid())  # also where nobody closes it
        try:
            settings = {**_DEFAULTS, **chosen, "durability": "off", "dir": self.place}
            self._spec = Spec(Settings.load(command_line=settings).settings)
            application.load(self._spec.settings.tasks)
            directory = Directory(self.place)
            directory.payloads.mkdir()
            self.broker = InProcessBroker(self._spec.settings, clock, self._hear)
        except BaseException:
            self._clear()
            raise
        self.crew = Crew(self.broker, self._spec.settings, clock)
        self.broker.begin()
        near = NearEnd(self.broker, self.crew, str(self.place), eager=eager)
        near.before = self.look
        self.ends = Ends(directory, timeout, near, AsyncNearEnd(near))
        self._clock = clock
        clock.moved = self._pass_time
        self.look()

    def look(self) -> None:
        """Tell the broker what the code has declared, if there is more than before."""
        if self.crew.renew():
            self.broker.declare(application.declared(self._spec, last=False))

    def _hear(self, word: Message) -> None:
        self.crew.hear(word)

    def _pass_time(self) -> None:
        self.broker.pass_time()
        worker = running.get()
        if worker is not None:
            worker.pass_time()

    def close(self) -> None:
        self._clock.moved = None
        self.crew.close()
        self.broker.close()
        self._clear()


def _clear(place: Path, pid: int) -> None:
    if os.getpid() == pid:
        shutil.rmtree(place, ignore_errors=True)


class InProcessQueue(Itself, TaskQueue):
    """A :class:`supervisor.TaskQueue` whose tasks run in this process, when they are told to. Made by
    :func:`in_process`; it is open from its first use, or ``with``, until :meth:`close`.
    """

    def __init__(self, settings: Mapping[str, object], *, eager: bool = False, at: datetime | None = None) -> None:
        super().__init__()
        self.clock = Clock(at)
        """What the queue's time is; see :class:`Clock`."""
        self._settings = settings
        self._eager = eager
        self._house: _House | None = None
        self._opening = threading.Lock()

    # -- running -----------------------------------------------------------------------------------------------

    def run_one(self) -> TaskRecord | None:
        """Run the task that is next, once; its record then. None when none is due.

        It runs in this thread; a coroutine on an event loop of its own.
        """
        grant = self._looked().crew.run_one()
        return None if grant is None else self.get_result(to_text(grant.id))

    async def arun_one(self) -> TaskRecord | None:
        """:meth:`run_one` in another thread, without blocking the event loop."""
        return await asyncio.to_thread(self.run_one)

    def run_until_idle(self) -> int:
        """Run what is due, and what that submits, until nothing is; how many attempts there were. The clock stands."""
        return self._looked().crew.run_all()

    async def arun_until_idle(self) -> int:
        """:meth:`run_until_idle` in another thread, without blocking the event loop."""
        return await asyncio.to_thread(self.run_until_idle)

    def run_due(self, within: float | str | timedelta | None = None) -> int:
        """Move the clock on from each time at which something is due to the next, and run that; how many attempts.

        ``within`` is for how long, and the clock stands at its end then. Without it: until something has been run.
        """
        house, clock = self._open(), self.clock
        end = None if within is None else clock.after(within)
        count = house.crew.run_all()
        for _ in range(_MOST_STEPS):
            due = house.broker.next_due()
            if due is None or (end is None and count) or (end is not None and due > end):
                break
            clock.advance(max(0.0, due - clock.monotonic()))
            count += house.crew.run_all()
        if end is not None:
            clock.advance(max(0.0, end - clock.monotonic()))
            count += house.crew.run_all()
        return count

    async def arun_due(self, within: float | str | timedelta | None = None) -> int:
        """:meth:`run_due` in another thread, without blocking the event loop."""
        return await asyncio.to_thread(self.run_due, within)

    # -- opening and closing -----------------------------------------------------------------------------------

    @property
    def _ends(self) -> Ends:
        return self._ready()

    def _ready(self) -> Ends:
        return self._open().ends

    async def _aready(self) -> Ends:
        return self._ready()

    def _looked(self) -> _House:
        house = self._open()
        house.look()
        return house

    def _open(self) -> _House:
        with self._opening:
            if self._house is None:
                self._house = _House(self._settings, self.clock, self._timeout, eager=self._eager)
                queue._instead.append(self._house.ends)
            return self._house

    def close(self) -> None:
        """Forget all tasks. The ready queue is what it was before."""
        house, self._house = self._house, None
        if house is not None:
            queue._instead = [each for each in queue._instead if each is not house.ends]
            house.close()


def in_process(
    tasks: str | Sequence[str] = (),
    *,
    eager: bool = False,
    at: datetime | None = None,
    **settings: Any,
) -> InProcessQueue:
    """A queue for tests that lives in the test's own process. Use it in a ``with`` block.

    Calls go through the real serialiser and the real core, on a journal in memory; tasks run when :meth:`run_one
    <InProcessQueue.run_one>` and its like are called, or when a result is waited for, in the caller's thread.
    ``eager``: whatever is due is run after each submit. ``at`` is what the clock shows at first (default: the present).
    While it is open the ready ``supervisor.queue``, and so ``delay``, uses it, from any thread.

    ``tasks`` are the modules that hold the tasks. ``settings`` are those of the settings reference, with the default
    retry_jitter=0; there is no durability, and what has to do with processes means nothing.

    Opening it raises SettingsError, and whatever the import of the tasks raises.
    """
    modules = [tasks] if isinstance(tasks, str) else list(tasks)
    return InProcessQueue({**({"tasks": modules} if modules else {}), **settings}, eager=eager, at=at)
