"""Concurrency limits and rate limits: gates that a task passes when it is handed out.

A task that finds a gate shut steps aside into the gate's own line, so that it is looked at again only when something
has changed there: ten thousand tasks behind one slow limit cost nothing while they wait.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections import deque
from dataclasses import dataclass, field

from supervisor.core.entry import Entry
from supervisor.core.keys import Limit, Rate


def _order(entry: Entry) -> tuple[int, int]:
    return (-entry.priority, entry.seq)


@dataclass(slots=True)
class _Line:
    """Tasks that wait at a gate: higher priority first, then arrival."""

    held: list[Entry] = field(default_factory=list)

    def hold(self, entry: Entry) -> None:
        insort(self.held, entry, key=_order)

    def release(self, most: int) -> list[Entry]:
        """Take out those that come next."""
        out, self.held = self.held[: max(0, most)], self.held[max(0, most) :]
        return out


@dataclass(frozen=True, slots=True)
class _Pass:
    """What a lease took as it went through."""

    limit: str | None
    rate: str | None
    at: float


@dataclass(slots=True)
class _Slots:
    """A concurrency limit: who is inside."""

    inside: set[int] = field(default_factory=set)
    """Leases."""
    most: int = 1
    line: _Line = field(default_factory=_Line)


@dataclass(slots=True)
class _Window:
    """A rate limit: when tasks started lately (a sliding window, exact at its edges)."""

    starts: deque[float] = field(default_factory=deque)
    most: int = 1
    seconds: float = 1.0
    line: _Line = field(default_factory=_Line)

    def next_time(self, now: float) -> float:
        """When the next task may start."""
        while self.starts and self.starts[0] <= now - self.seconds:
            self.starts.popleft()
        return now if len(self.starts) < self.most else self.starts[len(self.starts) - self.most] + self.seconds


class Gates:
    """Every gate in use, by key. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._slots: dict[str, _Slots] = {}
        self._windows: dict[str, _Window] = {}
        self._times: list[tuple[float, str]] = []
        self._passes: dict[int, _Pass] = {}
        self._held: dict[int, _Line] = {}
        """Where each task waits that stepped aside, by seq."""

    def __len__(self) -> int:
        return len(self._held)

    def holds(self, entry: Entry) -> bool:
        """Whether this task waits at a gate."""
        return entry.seq in self._held

    def drop(self, entry: Entry) -> None:
        """This task waits no more."""
        self._held.pop(entry.seq).held.remove(entry)

    def _hold(self, line: _Line, entry: Entry) -> None:
        line.hold(entry)
        self._held[entry.seq] = line

    def _release(self, line: _Line, most: int) -> list[Entry]:
        released = line.release(most)
        for entry in released:
            del self._held[entry.seq]
        return released

    # -- passing -----------------------------------------------------------------------------------------------

    def shut(self, entry: Entry, now: float) -> bool:
        """Whether a gate keeps this task out now; it then waits there."""
        keys = entry.keys
        if keys.limit is not None and self._full(keys.limit):
            self._hold(self._slots[keys.limit.key].line, entry)
            return True
        if keys.rate is not None and (when := self._window(keys.rate).next_time(now)) > now:
            self._hold(self._windows[keys.rate.key].line, entry)
            heapq.heappush(self._times, (when, keys.rate.key))
            return True
        return False

    def enter(self, entry: Entry, lease: int, now: float) -> None:
        """A task that found no gate shut is handed out."""
        limit, rate = entry.keys.limit, entry.keys.rate
        if limit is not None:
            self._slot(limit).inside.add(lease)
        if rate is not None:
            self._window(rate).starts.append(now)
        if limit is not None or rate is not None:
            self._passes[lease] = _Pass(limit.key if limit else None, rate.key if rate else None, now)

    def leave(self, lease: int) -> list[Entry]:
        """A lease is over, however; the tasks that may try the gate now."""
        passed = self._passes.pop(lease, None)
        if passed is None or passed.limit is None:
            return []
        slots = self._slots[passed.limit]
        slots.inside.discard(lease)
        released = self._release(slots.line, slots.most - len(slots.inside))
        if not slots.inside and not slots.line.held:
            del self._slots[passed.limit]
        return released

    def give_back(self, lease: int) -> None:
        """A lease that will not count: neither does its start. To be followed by :meth:`leave`."""
        passed = self._passes.get(lease)
        if passed is not None and passed.rate in self._windows:
            starts = self._windows[passed.rate].starts
            if passed.at in starts:
                starts.remove(passed.at)

    # -- time --------------------------------------------------------------------------------------------------

    def next_time(self) -> float | None:
        """When :meth:`due` may find somebody."""
        return self._times[0][0] if self._times else None

    def due(self, now: float) -> list[Entry]:
        """The tasks that may try a rate gate now."""
        released: list[Entry] = []
        while self._times and self._times[0][0] <= now:
            _, key = heapq.heappop(self._times)
            window = self._windows.get(key)
            if window is None:
                continue
            when = window.next_time(now)
            released += self._release(window.line, window.most - len(window.starts))
            if window.line.held:
                heapq.heappush(self._times, (max(when, window.next_time(now), now + 0.001), key))
            elif not window.starts:
                del self._windows[key]
        return released

    # -- restart -----------------------------------------------------------------------------------------------

    def enter_again(self, limit: Limit, lease: int) -> None:
        """A task that runs on across a restart is still inside."""
        self._slot(limit).inside.add(lease)
        self._passes[lease] = _Pass(limit.key, None, 0.0)

    def remember_start(self, rate: Rate, started: float) -> None:
        """A task with this key started then: before a restart, and the window has not forgotten it."""
        insort(self._window(rate).starts, started)

    # -- inside ------------------------------------------------------------------------------------------------

    def _full(self, limit: Limit) -> bool:
        slots = self._slot(limit)
        return len(slots.inside) >= slots.most

    def _slot(self, limit: Limit) -> _Slots:
        slots = self._slots.setdefault(limit.key, _Slots())
        slots.most = limit.most  # the last word counts, so that a limit can be changed in code
        return slots

    def _window(self, rate: Rate) -> _Window:
        window = self._windows.setdefault(rate.key, _Window())
        window.most, window.seconds = rate.most, rate.seconds
        return window
