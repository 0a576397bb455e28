"""Tasks that wait, in lines by priority; within a line in the order in which they got ready.

A task that waits gains priority with time, so that none starves; never above :data:`HIGH`, so that what is urgent
stays so. Since all of one line gain alike, the head of a line is always its best.
"""

from __future__ import annotations

from bisect import insort
from collections import deque

from supervisor.core.entry import Entry
from supervisor.states import State

AWAITED = 1 << 30
"""Above every priority: tasks for which others wait in a worker."""
HIGH = 10
"""Ageing lifts no task above this priority."""
Line = deque[Entry]
Rank = tuple[float, float, int]


def aged(priority: int, waited: float, ageing: float) -> float:
    """The priority of a task that has waited so many seconds, gaining 1 each ``ageing`` seconds (0: never)."""
    if not ageing or priority >= HIGH:
        return float(priority)
    return min(float(HIGH), priority + max(0.0, waited) / ageing)


def _arrival(entry: Entry) -> tuple[float, int]:
    return entry.since, entry.seq


class Lines:
    """Lines by priority. One that is taken out of the middle may be left to be skipped: it is no longer queued."""

    __slots__ = ("_lines", "_priorities")

    def __init__(self) -> None:
        self._lines: dict[int, Line] = {}
        self._priorities: list[int] = []
        """The highest first."""

    def add(self, entry: Entry) -> None:
        """Line up: at the end, as a rule; at its old place when it was here before."""
        line = self._lines.get(entry.priority)
        if line is None:
            self._lines[entry.priority] = deque((entry,))
            self._priorities = sorted(self._lines, reverse=True)
        elif not line or (last := line[-1]).since < entry.since or (last.since == entry.since and last.seq < entry.seq):
            line.append(entry)
        elif _arrival(entry) <= _arrival(line[0]):
            line.appendleft(entry)
        else:
            insort(line, entry, key=_arrival)

    def add_all(self, entries: list[Entry]) -> None:
        """Line up several of one priority, each after the one before: all at the end when the first is."""
        first, rest = entries[0], entries[1:]
        self.add(first)
        line = self._lines[first.priority]
        if line[-1] is first:
            line.extend(rest)
            return
        for entry in rest:
            self.add(entry)

    def hasten(self, entry: Entry) -> None:
        """Let it stand before all others as well. Where it comes up first it leaves; its other place is skipped."""
        line = self._lines.get(AWAITED)
        if line is None:
            self._lines[AWAITED] = deque((entry,))
            self._priorities = sorted(self._lines, reverse=True)
        elif entry not in line:
            line.append(entry)

    def remove(self, entry: Entry) -> None:
        """Take this one out, which is in."""
        line = self._lines[entry.priority]
        del line[next(place for place, found in enumerate(line) if found is entry)]

    def best(self, now: float, ageing: float) -> Line | None:
        """The line whose head goes next; None where nobody waits."""
        if len(self._priorities) == 1:  # as a rule: there is nothing to compare
            line = self._queued(self._priorities[0])
            if line:
                return line
        found = self.ranked(now, ageing)
        return found[1] if found else None

    def ranked(self, now: float, ageing: float) -> tuple[Rank, Line] | None:
        """That line, and how high its head ranks."""
        best: tuple[Rank, Line] | None = None
        empty = False
        for priority in self._priorities:
            if best is not None and not (ageing and priority < HIGH):
                break  # no later line can do better
            line = self._queued(priority)
            if line:
                head = line[0]
                rank = (aged(priority, now - head.since, ageing), -head.since, -head.seq)
                if best is None or rank > best[0]:
                    best = rank, line
            else:
                empty = True
        if empty:
            self._tidy()
        return best

    def _queued(self, priority: int) -> Line:
        """The line of a priority, from the first on that still is in the queue."""
        line = self._lines[priority]
        while line and line[0].state is not State.QUEUED:
            line.popleft()
        return line

    @property
    def alone(self) -> bool:
        """Whether there is one line."""
        return len(self._priorities) == 1

    def _tidy(self) -> None:
        self._lines = {priority: line for priority, line in self._lines.items() if line}
        self._priorities = sorted(self._lines, reverse=True)

    def clear_away(self) -> None:
        """Let go of what would only be skipped."""
        for priority, line in self._lines.items():
            self._lines[priority] = deque(entry for entry in line if entry.state is State.QUEUED)
        self._tidy()

    def __len__(self) -> int:
        """How many there are, those that would be skipped as well."""
        return sum(map(len, self._lines.values()))
