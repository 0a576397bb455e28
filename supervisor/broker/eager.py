"""Waiting for what comes next: asleep, or for a moment awake while one message follows another.

A virtual machine takes as long to wake a CPU that sleeps as a submit takes us. A client that submits one task after
the other would have its next request here before we are asleep; so where waits are short, they begin with looks that do
not sleep, each of which gives way to whoever wants the CPU. Where that was in vain it is tried less and less often.
(The idea: guest halt polling, as in Linux's cpuidle-haltpoll.)
"""

from __future__ import annotations

import os
import select
import time

_AWAKE_SECONDS = 0.0003
_SHORT_SECONDS = 0.001
"""A wait that ends sooner, asleep, might have ended in time for us to stay awake: half of it is the waking."""
_MOST_SKIPPED = 64


class EagerPoll:
    """An epoll whose waits begin with looks that do not sleep, while something comes in that time."""

    def __init__(self, epoll: select.epoll, events: int) -> None:
        """``events`` is the most that one wait gives."""
        self._epoll = epoll
        self._events = events
        self._pause = 1
        """How many short waits are slept through after one that was in vain awake; it doubles each time."""
        self._skipped = 0
        self._several = False

    def wait(self, patience: float, *, spare: bool) -> list[tuple[int, int]]:
        """What is ready, after at most so many seconds; awake only if there is a CPU to spare.

        Where several wait for us we are none too late, and the more of them the fewer commits.
        """
        if spare and not self._several and self._skipped >= self._pause and patience > 0:
            events = self._look(min(patience, _AWAKE_SECONDS))
            self._pause = 0 if events else min(_MOST_SKIPPED, 2 * self._pause + 1)
            self._skipped = 0
            patience -= _AWAKE_SECONDS
        else:
            events = []
        if not events:
            events = self._sleep(max(0.0, patience))
        self._several = len(events) > 1
        return events

    def _sleep(self, patience: float) -> list[tuple[int, int]]:
        began = time.monotonic()
        events = self._epoll.poll(patience, self._events)
        if time.monotonic() - began < _SHORT_SECONDS:
            self._skipped += 1
        return events

    def _look(self, seconds: float) -> list[tuple[int, int]]:
        until = time.monotonic() + seconds
        while True:
            events = self._epoll.poll(0, self._events)
            if events or time.monotonic() > until:
                return events
            os.sched_yield()
