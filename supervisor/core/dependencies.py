"""Who waits for whom: of each task that others wait for, its children; of each that waits, a counter.

Every tie is looked at when it is made, when the parent ends and when the child does, and not in between: ten thousand
members with one callback cost ten thousand times as much as one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from supervisor.core.entry import Entry
from supervisor.core.ties import Bond, Fate, fate
from supervisor.states import State

_VERBS = {
    State.FAILED: "failed",
    State.TIMED_OUT: "timed out",
    State.LOST: "was lost",
    State.CANCELLED: "was cancelled",
    State.EXPIRED: "was not started in time",
}


class End(NamedTuple):
    """How a parent ended."""

    name: str
    state: State

    def sentence(self, task_id: bytes) -> str:
        """What is said of it to its children."""
        return f"its parent {self.name} ({task_id.hex()}) {_VERBS.get(self.state, 'succeeded')}"


class Fault(NamedTuple):
    """Why a task cannot run any more."""

    fate: Fate
    sentence: str


GONE = End("", State.SUCCEEDED)
"""In the place of a parent that ended so long ago that nobody knows how: it keeps nobody waiting."""


class Dependencies:
    """The ties of all unfinished tasks."""

    def __init__(self) -> None:
        self.children: dict[bytes, dict[bytes, Entry]] = {}
        """The unfinished children of each task that has any, by id. The parent may have ended itself."""
        self.groups: Counter[bytes] = Counter()
        """How many unfinished tasks each group has, but for those with none."""

    def child(self, task_id: bytes) -> bytes | None:
        """One of the unfinished children of a task."""
        return next(iter(self.children.get(task_id, ())), None)

    def want_result(self, task_id: bytes) -> bool:
        """Whether what a task returns is handed on."""
        children = self.children.get(task_id, {}).values()
        return any(child.bond is not None and child.bond.ties.takes for child in children)

    def join(self, entry: Entry, ends: Mapping[bytes, End]) -> Fault | None:
        """Take in a task with ties. ``ends`` tells of each parent that has ended, and of no other.

        Why it cannot run any more; None when it can. Its counter says how many parents it waits for.
        """
        bond = entry.bond
        assert bond is not None
        fault: Fault | None = None
        bond.left = 0
        for parent in _once(bond.ties.parents):
            self.children.setdefault(parent, {})[entry.id] = entry
            bond.left += 1
            end = ends.get(parent)
            if end is not None:
                fault = self.count(bond, parent, end) or fault
        if bond.ties.group:
            self.groups[bond.ties.group] += 1
        return fault

    def count(self, bond: Bond, parent: bytes, end: End) -> Fault | None:
        """One parent fewer to wait for; why the task cannot run any more, where that is what comes of it."""
        bond.left -= 1
        what = fate(bond.ties, end.state)
        return None if what is Fate.RUN else Fault(what, end.sentence(parent))

    def leave(self, entry: Entry) -> None:
        """A task with ties has ended."""
        assert entry.bond is not None
        ties = entry.bond.ties
        for task_id in _once(ties.parents):
            children = self.children[task_id]
            del children[entry.id]
            if not children:
                del self.children[task_id]
        if ties.group:
            self.groups[ties.group] -= 1
            if not self.groups[ties.group]:
                del self.groups[ties.group]

    def waiting_for(self, task_id: bytes) -> list[tuple[Entry, Bond]]:
        """The children that are blocked by a task which has ended this moment."""
        children = self.children.get(task_id, {}).values()
        return [(child, child.bond) for child in children if child.state is State.BLOCKED and child.bond is not None]

    # -- waits that can never end ------------------------------------------------------------------------------

    def path(
        self, start: bytes, goal: bytes, tasks: Mapping[bytes, Entry], awaited: Callable[[bytes], Iterable[bytes]]
    ) -> list[Entry]:
        """How ``start`` waits for ``goal``, from the one to the other, by ties and by what tasks that run wait for
        themselves (``awaited``); empty when it does not.
        """
        came_from: dict[bytes, bytes] = {start: b""}
        lined = [start]
        for task_id in lined:
            if task_id == goal:
                return list(_back(came_from, goal, tasks))
            entry = tasks.get(task_id)
            for each in () if entry is None else _waits_of(entry, awaited):
                if each in tasks and each not in came_from:
                    came_from[each] = task_id
                    lined.append(each)
        return []


def _waits_of(entry: Entry, awaited: Callable[[bytes], Iterable[bytes]]) -> Iterable[bytes]:
    if entry.state is State.RUNNING:
        return awaited(entry.id)
    return entry.bond.ties.parents if entry.state is State.BLOCKED and entry.bond is not None else ()


def _back(came_from: Mapping[bytes, bytes], goal: bytes, tasks: Mapping[bytes, Entry]) -> Iterator[Entry]:
    """The way to the goal, in its order."""
    way = []
    while goal:
        way.append(goal)
        goal = came_from[goal]
    return (tasks[each] for each in reversed(way))


def _once(ids: list[bytes]) -> Iterable[bytes]:
    """Each of them once: one task may stand for several members of a group."""
    return ids if len(ids) == 1 else dict.fromkeys(ids)
