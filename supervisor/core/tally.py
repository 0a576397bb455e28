"""What is counted of the tasks of one name in one named queue: how many wait and run, how they ended, how long it took.

This is on the way of every task, so it does no more than count; all else is worked out when somebody asks.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from typing import TYPE_CHECKING

from msgspec import Struct

from supervisor.core.histogram import Histogram, places
from supervisor.core.moment import Moment
from supervisor.states import State

if TYPE_CHECKING:
    from supervisor.core.entry import Entry

SPAN = 3600.0
"""Wait and run times are those of the last one or two spans, in seconds."""
MINUTE = 60.0
_MOST_STALE = 1000
_SORT = 0x3FF
"""Times are sorted in by the thousand."""
_LOOK_AHEAD = 64
"""Tasks that were given back stand before others, though they may have come later: so many are looked at."""


class Totals(Struct, frozen=True, array_like=True):
    """What of a tally outlives a restart of the broker."""

    executed: int
    ended: dict[str, int]
    causes: dict[str, int]
    times: list[tuple[dict[int, int], float] | None]
    """Buckets and sums: waits of the span before, of this one; runs likewise."""
    claimed: float | None = None
    """When one was handed out last, on the wall clock; None where that is not known."""


class Spread:
    """The times of this span and of the one before, so that what is old counts no more; and, apart, all of them since
    the broker's start, whose counts never fall.
    """

    __slots__ = ("before", "ever", "ever_total", "new", "now")

    def __init__(self) -> None:
        self.new: list[float] = []
        """What has not been sorted in yet."""
        self.now = Histogram()
        self.before: Histogram | None = None
        self.ever: Counter[int] = Counter()
        """By bucket; few are ever used."""
        self.ever_total = 0.0

    def sort_in(self) -> None:
        """Leave nothing in :attr:`new`."""
        new = self.new
        if new:
            found, total = places(new), sum(new)
            self.now.put(found, len(new), total)
            self.ever.update(found)
            self.ever_total += max(0.0, total)
            new.clear()

    def turn_over(self) -> None:
        """A span is over."""
        self.sort_in()
        self.before, self.now = (self.now if self.now.count else None), Histogram()

    def add_to(self, other: Histogram) -> None:
        """Count what is here there as well."""
        self.sort_in()
        other.merge(self.now)
        if self.before is not None:
            other.merge(self.before)


class Tally:
    """The counts of one name in one queue. Every field may be read; only the methods, and the book, write."""

    __slots__ = (
        "_earlier_causes",
        "_earlier_ended",
        "_runs",
        "_waits",
        "blocked",
        "causes",
        "claimed",
        "ended",
        "executed",
        "later",
        "line",
        "marks",
        "name",
        "queue",
        "retrying",
        "run",
        "running",
        "saved",
        "started",
        "succeeded",
        "unfinished",
        "wait",
    )

    def __init__(self, queue: str, name: str) -> None:
        self.queue = queue
        self.name = name
        self.unfinished = 0
        self.running = 0
        self.later = 0
        """Those that wait for their time, or for other tasks."""
        self.retrying = 0
        """Those among them that wait for another attempt."""
        self.blocked = 0
        """Those among them that wait for other tasks."""
        self.started = 0
        """Attempts that were handed out since the broker's start."""
        self.claimed: float | None = None
        """The monotonic time at which something was handed out last; None where that is not known."""
        self.executed = 0
        """Attempts that have ended and counted."""
        self.ended: Counter[str] = Counter()
        """Tasks, by the state in which they ended otherwise than well."""
        self.causes: Counter[str] = Counter()
        """Attempts that did not succeed, by cause."""
        self.succeeded = 0
        """Those that returned, which are not in :attr:`ended`: most do."""
        self.wait = Spread()
        self.run = Spread()
        self._waits, self._runs = self.wait.new, self.run.new
        self.line: deque[Entry] = deque()
        """Those that wait for a worker, about in the order in which they came; with some that wait no more."""
        self.marks: deque[tuple[float, int]] = deque(((-math.inf, 0),))
        """(monotonic time, executed), of the last minute, and the last before."""
        self._earlier_ended: Counter[str] = Counter()
        self._earlier_causes: Counter[str] = Counter()
        self.saved = self._stamp()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tally) and (self.queue, self.name) == (other.queue, other.name)

    def __hash__(self) -> int:
        return hash((self.queue, self.name))

    @property
    def depth(self) -> int:
        """How many wait for a worker, or at a limit."""
        return self.unfinished - self.running - self.later

    # -- on every task's way -----------------------------------------------------------------------------------

    def start(self, entry: Entry, waited: float) -> None:
        """One is handed out, after so many seconds of waiting."""
        self.started += 1
        line = self.line
        if line and line[0] is entry:
            line.popleft()
        self._waits.append(waited)
        if not self.started & _SORT:
            self.wait.sort_in()
            self.run.sort_in()

    def ran(self, seconds: float) -> None:
        """An attempt that counts has ended."""
        self.executed += 1
        self._runs.append(seconds)

    # -- now and then ------------------------------------------------------------------------------------------

    def oldest(self) -> float | None:
        """The monotonic time since which the one that has waited longest does so; None where none waits."""
        line = self.line
        while line and line[0].state is not State.QUEUED:
            line.popleft()
        first = [line[place] for place in range(min(_LOOK_AHEAD, len(line)))]
        return min((entry.since for entry in first if entry.state is State.QUEUED), default=None)

    def tidy(self, mono: float) -> None:
        """Once a second or so: let go of what waits no more, and note how far it is."""
        line = self.line
        while line and line[0].state is not State.QUEUED:
            line.popleft()
        if len(line) > 2 * max(0, self.depth) + _MOST_STALE:
            self.line = deque(entry for entry in line if entry.state is State.QUEUED)
        marks = self.marks
        if marks[-1][1] != self.executed:
            marks.append((mono, self.executed))
        while len(marks) > 1 and marks[1][0] <= mono - MINUTE:
            marks.popleft()

    def lately(self, mono: float) -> int:
        """How many attempts have ended in the last minute."""
        return self.executed - [executed for at, executed in self.marks if at <= mono - MINUTE][-1]

    def all_ended(self) -> dict[str, int]:
        """Tasks, by the state in which they ended."""
        return {State.SUCCEEDED.value: self.succeeded, **self.ended} if self.succeeded else dict(self.ended)

    def ended_since_start(self) -> dict[str, int]:
        """:meth:`all_ended`, but for what was counted before the broker's start. Such counts never fall, as those do
        whose last second a kill of the broker has taken along.
        """
        return {state: count - self._earlier_ended[state] for state, count in self.all_ended().items()}

    def causes_since_start(self) -> dict[str, int]:
        """The same of :attr:`causes`."""
        return {cause: count - self._earlier_causes[cause] for cause, count in self.causes.items()}

    # -- across restarts ---------------------------------------------------------------------------------------

    @property
    def unsaved(self) -> bool:
        """Whether anything that outlives a restart has changed since :meth:`keep`."""
        return self.saved != self._stamp()

    def _stamp(self) -> tuple[int, int, int, int]:
        return self.started, self.executed, self.succeeded + self.ended.total(), self.causes.total()

    def claimed_before(self, mono: float) -> None:
        """Something was handed out then, by a broker before this one."""
        self.claimed = mono if self.claimed is None else max(self.claimed, mono)

    def keep(self, now: Moment) -> Totals:
        """What is to be written."""
        self.saved = self._stamp()
        self.wait.sort_in()
        self.run.sort_in()
        spread = [self.wait.before, self.wait.now, self.run.before, self.run.now]
        times = [(each.sparse(), each.total) if each is not None else None for each in spread]
        claimed = now.wall_at(self.claimed) if self.claimed is not None else None
        return Totals(self.executed, self.all_ended(), dict(self.causes), times, claimed)

    def restore(self, totals: Totals, now: Moment) -> None:
        """Count what was counted before a restart as well."""
        if totals.claimed is not None:
            self.claimed_before(min(now.mono, now.mono_at(totals.claimed)))
        self.executed += totals.executed
        self.ended.update(totals.ended)
        self.succeeded += self.ended.pop(State.SUCCEEDED.value, 0)
        self.causes.update(totals.causes)
        self._earlier_ended.update(totals.ended)
        self._earlier_causes.update(totals.causes)
        self.marks[0] = (-math.inf, self.executed)
        for spread, (before, latest) in ((self.wait, totals.times[:2]), (self.run, totals.times[2:])):
            if before is not None:
                spread.before = spread.before or Histogram()
                spread.before.merge(Histogram.of(*before))
            if latest is not None:
                spread.now.merge(Histogram.of(*latest))
        self.saved = self._stamp()
