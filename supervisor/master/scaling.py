"""How many workers there should be. Pure: what is seen, and the time, are passed in.

More while tasks wait and nobody is idle: as many again as there are, until the most is reached. Fewer by those that
were not needed: who was idle at every look for a while. Each worker whose task waits for another task allows for one
more, or a tree of tasks could fill all workers with waiting ones.
"""

from __future__ import annotations

from dataclasses import dataclass

_SURPLUS_NS = 1_000_000_000
"""Workers above the most leave after this, if it is shorter than the time for idle ones: tasks have stopped waiting."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the settings say."""

    least: int
    most: int
    waiting: int
    """Workers that there may be above the most, for tasks that wait."""
    idle_ns: int


@dataclass(frozen=True, slots=True)
class Seen:
    """The pool at one look."""

    ready: int
    """Workers that can take tasks, or have one."""
    busy: int
    """Those of them that have one."""
    waiting: int
    """Those whose task waits for another."""
    backlog: int
    """Tasks that could be handed out, while no worker is idle."""


class _Lull:
    """The fewest that were idle at every look for so long."""

    def __init__(self) -> None:
        self._since_ns = 0
        self._fewest: int | None = None

    def unneeded(self, idle: int, span_ns: int, now_ns: int) -> int:
        """How many nobody has missed, once the time is over; then it begins anew."""
        if self._fewest is None:
            self._since_ns, self._fewest = now_ns, idle
        self._fewest = min(self._fewest, idle)
        if now_ns - self._since_ns < span_ns:
            return 0
        found, self._fewest = self._fewest, None
        return found

    def forget(self) -> None:
        """There is nobody to be got rid of."""
        self._fewest = None


class Scaling:
    """The number that is wanted, from look to look."""

    def __init__(self, bounds: Bounds, first: int) -> None:
        self.bounds = bounds
        self.wanted = first
        self._idle, self._surplus = _Lull(), _Lull()

    def use(self, bounds: Bounds, first: int | None = None) -> None:
        """Other settings hold from now on; with another number to begin with."""
        self.bounds = bounds
        wanted = self.wanted if first is None else first
        self.wanted = max(bounds.least, min(wanted, bounds.most))

    def most(self, waiting: int) -> int:
        """How many there may be while so many wait."""
        return self.bounds.most + min(waiting, self.bounds.waiting)

    def may_grow(self, waiting: int) -> bool:
        """Whether a backlog would be a reason to have more."""
        return self.wanted < self.most(waiting)

    @property
    def steady(self) -> bool:
        """Whether nothing can change as long as no task waits for another."""
        return self.bounds.least == self.bounds.most == self.wanted

    def look(self, seen: Seen, now_ns: int) -> int:
        """How many there should be now."""
        most = self.most(seen.waiting)
        if seen.backlog and self.wanted < most and seen.ready >= self.wanted:
            self.wanted = min(most, self.wanted + min(seen.backlog, max(1, self.wanted)))
        idle = 0 if seen.backlog else max(0, seen.ready - seen.busy)
        self._shrink(most, idle, now_ns)
        return self.wanted

    def _shrink(self, most: int, idle: int, now_ns: int) -> None:
        bounds = self.bounds
        if self.wanted <= bounds.least:
            self._idle.forget()
            self._surplus.forget()
            return
        unneeded = self._idle.unneeded(idle, bounds.idle_ns, now_ns)
        self.wanted = max(bounds.least, self.wanted - unneeded)
        if self.wanted <= most:
            self._surplus.forget()
            return
        surplus = self._surplus.unneeded(idle, min(_SURPLUS_NS, bounds.idle_ns), now_ns)
        self.wanted = max(most, self.wanted - surplus)
