"""Concurrency limits and rate limits: gates that a task passes when it is handed out.

A task that finds a gate shut steps aside into the gate's own line, so that it is looked at again only when something
has changed there: ten thousand tasks behind one slow limit cost nothing while they wait.

A gate lets as many come back to the ready queue as may pass. Whether they do is not for the gate to say: they may be
cancelled there, or their queue may be paused. So as long as it is open and tasks wait at it, it lets one more come
back from time to time.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections import deque
from dataclasses import dataclass, field
from typing import TypeVar

from supervisor.core.entry import Entry
from supervisor.core.keys import Limit, Rate
from supervisor.core.lines import Lines
from supervisor.states import State

_LOOK_SECONDS = 0.1
_LIMIT, _RATE = "limit", "rate"
_Key = tuple[str, str]
T = TypeVar("T")


@dataclass(slots=True)
class _Gate:
    """What limits and rates have in common: who waits, and who was let back and has not passed yet."""

    key: _Key
    most: int = 1
    lines: Lines = field(default_factory=Lines)
    held: int = 0
    loose: list[Entry] = field(default_factory=list)
    wake: float | None = None
    """When it is looked at next without being asked."""

    def passed(self, entry: Entry) -> None:
        """This one did, whom we let back or who only came now."""
        if self.loose:
            self.loose = [each for each in self.loose if each is not entry]

    def free(self, now: float) -> int:
        """How many may pass now."""
        raise NotImplementedError

    def opens(self, now: float) -> float | None:
        """When it will open by itself, if it is shut."""
        raise NotImplementedError

    def idle(self) -> bool:
        """Whether there is nothing to remember of it."""
        raise NotImplementedError


@dataclass(slots=True)
class _Slots(_Gate):
    """A concurrency limit: which leases are inside."""

    inside: set[int] = field(default_factory=set)

    def free(self, now: float) -> int:
        return self.most - len(self.inside)

    def opens(self, now: float) -> float | None:
        return None

    def idle(self) -> bool:
        return not self.inside and not self.held


@dataclass(slots=True)
class _Window(_Gate):
    """A rate limit: when tasks started lately (a sliding window, exact at its edges)."""

    seconds: float = 1.0
    starts: deque[float] = field(default_factory=deque)

    def free(self, now: float) -> int:
        while self.starts and self.starts[0] + self.seconds <= now:  # the same sum as in opens()
            self.starts.popleft()
        return self.most - len(self.starts)

    def opens(self, now: float) -> float | None:
        return self.starts[max(0, len(self.starts) - self.most)] + self.seconds if self.starts else None

    def idle(self) -> bool:
        return not self.starts and not self.held


@dataclass(frozen=True, slots=True)
class _Pass:
    """What a lease took as it went through."""

    slots: _Slots | None
    window: _Window | None
    at: float


class Gates:
    """Every gate in use. Times are monotonic seconds; ``ageing`` as for the ready queue."""

    def __init__(self, ageing: float = 0.0) -> None:
        self._ageing = ageing
        self._gates: dict[_Key, _Gate] = {}
        self._times: list[tuple[float, _Key]] = []
        self._passes: dict[int, _Pass] = {}
        self._held: dict[int, _Gate] = {}
        """Where each task waits that stepped aside, by seq."""
        self.limits: dict[str, int] = {}
        """Limits that hold in the place of what the tasks say, by key."""
        self.rates: dict[str, tuple[int, float]] = {}
        """Rates likewise: so many in so many seconds."""

    def __len__(self) -> int:
        return len(self._held)

    # -- who waits ---------------------------------------------------------------------------------------------

    def holds(self, entry: Entry) -> bool:
        """Whether this task waits at a gate."""
        return entry.seq in self._held

    def drop(self, entry: Entry) -> None:
        """This task waits no more."""
        gate = self._held.pop(entry.seq)
        gate.lines.remove(entry)
        gate.held -= 1
        self._forget_idle(gate)

    def move(self, entry: Entry, priority: int) -> None:
        """Give a task that waits here another priority; it keeps its arrival."""
        lines = self._held[entry.seq].lines
        lines.remove(entry)
        entry.priority = priority
        lines.add(entry)

    # -- passing -----------------------------------------------------------------------------------------------

    def shut(self, entry: Entry, now: float) -> bool:
        """Whether a gate keeps this task out now; it then waits there."""
        limit, rate = entry.keys.limit, entry.keys.rate
        gate: _Gate
        if limit is not None and (gate := self._slots(limit)).free(now) <= 0:
            self._hold(gate, entry, now)
            return True
        if rate is not None and (gate := self._window(rate)).free(now) <= 0:
            self._hold(gate, entry, now)
            return True
        return False

    def enter(self, entry: Entry, lease: int, now: float) -> None:
        """A task that found no gate shut is handed out; or was, before a restart, across which it runs on."""
        limit, rate = entry.keys.limit, entry.keys.rate
        slots = self._slots(limit) if limit is not None else None
        window = self._window(rate) if rate is not None else None
        if slots is not None:
            slots.passed(entry)
            slots.inside.add(lease)
        if window is not None:
            window.passed(entry)
            insort(window.starts, now)
            self._wake(window, now + window.seconds)
        if slots is not None or window is not None:
            self._passes[lease] = _Pass(slots, window, now)

    def leave(self, lease: int, now: float) -> list[Entry]:
        """A lease is over, however; the tasks that may try the gate now."""
        passed = self._passes.pop(lease, None)
        slots = passed.slots if passed is not None else None
        if slots is None:
            return []
        slots.inside.discard(lease)
        released = self._open(slots, now, least=0)
        self._forget_idle(slots)
        return released

    def give_back(self, lease: int, now: float) -> None:
        """A lease that will not count: neither does its start. To be followed by :meth:`leave`."""
        passed = self._passes.get(lease)
        window = passed.window if passed is not None else None
        if passed is not None and window is not None and passed.at in window.starts:
            window.starts.remove(passed.at)
            self._wake(window, now)

    # -- time --------------------------------------------------------------------------------------------------

    def next_time(self) -> float | None:
        """When :meth:`due` may find somebody."""
        return self._times[0][0] if self._times else None

    def due(self, now: float) -> list[Entry]:
        """The tasks that may try a gate now."""
        released: list[Entry] = []
        while self._times and self._times[0][0] <= now:
            when, key = heapq.heappop(self._times)
            gate = self._gates.get(key)
            if gate is None or gate.wake != when:
                continue  # it was to be looked at earlier, and has been
            gate.wake = None
            released += self._open(gate, now, least=1)
            self._forget_idle(gate)
        return released

    # -- changed while it is in use ----------------------------------------------------------------------------

    def set_limit(self, key: str, most: int | None, now: float) -> None:
        """Let so many with this limit key run at once, whatever the tasks say; None for what they say."""
        _set(self.limits, key, most)
        self._look_again(self._gates.get((_LIMIT, key)), now)

    def set_rate(self, key: str, rate: tuple[int, float] | None, now: float) -> None:
        """Let so many with this rate key start in so many seconds, whatever the tasks say; None for what they say."""
        _set(self.rates, key, rate)
        self._look_again(self._gates.get((_RATE, key)), now)

    def _look_again(self, gate: _Gate | None, now: float) -> None:
        """Have what the tasks say, or what was set, hold for a gate that is in use."""
        if gate is None:
            return
        head = gate.lines.best(now, self._ageing)
        keys = head[0].keys if head is not None else None
        if isinstance(gate, _Slots):
            said = keys.limit.most if keys is not None and keys.limit is not None else gate.most
            gate.most = self.limits.get(gate.key[1], said)
        elif isinstance(gate, _Window):
            told = (keys.rate.most, keys.rate.seconds) if keys is not None and keys.rate is not None else None
            gate.most, gate.seconds = self.rates.get(gate.key[1], told or (gate.most, gate.seconds))
        self._wake(gate, now)

    # -- restart -----------------------------------------------------------------------------------------------

    def remember_start(self, rate: Rate, started: float) -> None:
        """A task with this key started then: before a restart, and the window has not forgotten it."""
        window = self._window(rate)
        insort(window.starts, started)
        self._wake(window, started + window.seconds)

    # -- inside ------------------------------------------------------------------------------------------------

    def _hold(self, gate: _Gate, entry: Entry, now: float) -> None:
        gate.lines.add(entry)
        gate.held += 1
        self._held[entry.seq] = gate
        self._wake(gate, gate.opens(now))

    def _open(self, gate: _Gate, now: float, least: int) -> list[Entry]:
        """Let come back as many as may pass beside those that are back already, but ``least`` if any may."""
        free = gate.free(now)
        released: list[Entry] = []
        if gate.held and free > 0:
            # One that passed is running, or over; one that came up in vain is held again.
            gate.loose = [each for each in gate.loose if each.state is State.QUEUED and each.seq not in self._held]
            released = self._release(gate, max(least, free - len(gate.loose)), now)
            gate.loose += released
        if gate.held:
            self._wake(gate, now + _LOOK_SECONDS if free > 0 else gate.opens(now))
        else:
            self._wake(gate, gate.opens(now))
        return released

    def _release(self, gate: _Gate, most: int, now: float) -> list[Entry]:
        released: list[Entry] = []
        while len(released) < most and (best := gate.lines.best(now, self._ageing)) is not None:
            entry = best.popleft()
            del self._held[entry.seq]
            gate.held -= 1
            released.append(entry)
        return released

    def _wake(self, gate: _Gate, when: float | None) -> None:
        """Look at this gate then, or earlier."""
        if when is not None and (gate.wake is None or when < gate.wake):
            gate.wake = when
            heapq.heappush(self._times, (when, gate.key))

    def _forget_idle(self, gate: _Gate) -> None:
        if gate.idle():
            self._gates.pop(gate.key, None)

    def _slots(self, limit: Limit) -> _Slots:
        key = (_LIMIT, limit.key)
        found = self._gates.get(key)
        if found is None:
            found = self._gates[key] = _Slots(key)
        assert isinstance(found, _Slots)
        found.most = limit.most  # the last word counts, so that a limit can be changed in code
        if self.limits:
            found.most = self.limits.get(limit.key, limit.most)
        return found

    def _window(self, rate: Rate) -> _Window:
        key = (_RATE, rate.key)
        found = self._gates.get(key)
        if found is None:
            found = self._gates[key] = _Window(key)
        assert isinstance(found, _Window)
        found.most, found.seconds = rate.most, rate.seconds
        if self.rates:
            found.most, found.seconds = self.rates.get(rate.key, (rate.most, rate.seconds))
        return found


def _set(values: dict[str, T], key: str, value: T | None) -> None:
    if value is None:
        values.pop(key, None)
    else:
        values[key] = value
