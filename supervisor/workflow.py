"""Steps that belong together, worked out into what is submitted: who waits for whom, and in which order they go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from supervisor.core.ties import Fate, Ties
from supervisor.errors import DependencyCycleError
from supervisor.ids import id_of, new_id, to_text

if TYPE_CHECKING:
    from supervisor.config import TaskConfig
    from supervisor.creation import Creation
    from supervisor.packer import Packer
    from supervisor.steps import Step
    from supervisor.taskqueue import TaskQueue
    from supervisor.wire.messages import Submission


@dataclass(frozen=True, slots=True)
class Feed:
    """What comes before a step."""

    steps: tuple[Step[Any], ...] = ()
    """Those that hand on their results."""
    listed: bool = False
    """Whether they do so as a list."""
    waits: tuple[Step[Any], ...] = ()
    """Those that hand on nothing."""


@dataclass(slots=True, eq=False)
class Node:
    """A step in its place."""

    step: Step[Any]
    feed: Feed
    group: bytes = b""
    size: int = 0
    position: int = 0

    @property
    def before(self) -> Iterable[Step[Any]]:
        """The steps that it waits for, those that hand on their results first."""
        return dict.fromkeys((*self.feed.steps, *self.feed.waits, *self.step.others))


class Part(Protocol):
    """A step, a chain or a group."""

    def place(self, draft: Draft, feed: Feed) -> Feed:
        """Take its place in a draft where ``feed`` comes before it; what it is for the next."""
        ...


@dataclass(slots=True)
class Draft:
    """What is submitted at once: all of it, or nothing."""

    nodes: dict[Step[Any], Node] = field(default_factory=dict)
    ends: tuple[Step[Any], ...] = ()
    """The last step, or the last ones of a group's members."""
    group: bytes = b""
    """The id of the group that was placed last."""

    @classmethod
    def of(cls, part: Part) -> Draft:
        """Work it out. Raises DependencyCycleError, and ValueError for a step that is used twice."""
        draft = cls()
        draft.ends = part.place(draft, Feed()).steps
        lined = list(draft.nodes)
        for step in lined:
            for other in step.others:
                if other not in draft.nodes:
                    draft.add(other, Feed())
                    lined.append(other)
        draft.nodes = {node.step: node for node in _sorted(draft.nodes)}
        return draft

    def add(self, step: Step[Any], feed: Feed) -> None:
        """Put a step where this comes before it."""
        if step in self.nodes:
            raise ValueError(f"{step!r} is used twice; a step is one call, so make another")
        if not step.takes:
            feed = Feed(waits=(*feed.steps, *feed.waits))
        self.nodes[step] = Node(step, feed)

    def add_group(self, members: Iterable[Part], feed: Feed) -> Feed:
        """Put parts side by side."""
        group = new_id()
        ends: list[Step[Any]] = []
        inner = 0
        seen = len(self.nodes)
        for member in members:
            ends += member.place(self, feed).steps
        for node in list(self.nodes.values())[seen:]:
            if not node.group:
                inner -= 1
                node.group, node.position = group, inner
        for position, end in enumerate(ends):
            self.nodes[end].position = position
        for node in list(self.nodes.values())[seen:]:
            if node.group == group:
                node.size = len(ends)
        self.group = group
        return Feed(tuple(ends), listed=True, waits=() if ends else (*feed.steps, *feed.waits))

    @property
    def queue(self) -> TaskQueue:
        """Where all of it goes. Raises ValueError where there is nothing, or its tasks do not agree."""
        found = {step.queue for step in self.nodes}
        if len(found) != 1:
            several = "steps that belong together go to one queue; these are for several"
            raise ValueError(several if found else "a group without members has nothing to submit")
        return found.pop()

    def pack(self, packer: Packer, new: Mapping[Step[Any], Creation]) -> list[Submission]:
        """The submissions, parents before their children; ``new``: where hooks have seen them, as they are after it."""
        ids: dict[Step[Any], bytes] = {}
        packed: list[Submission] = []
        callers: dict[tuple[int, int], Any] = {}
        for step, node in self.nodes.items():
            if new:
                seen = new[step]
                config = seen.config
                submission = packer.call(step.function, seen.task.args, seen.task.kwargs, config)
            else:
                kind, config = (id(step.function), id(step.config)), step.config
                if kind not in callers:
                    callers[kind] = packer.caller(step.function, config)
                submission = callers[kind](step.args, step.kwargs)
            ids[step] = submission.id
            packed.append(msgspec.structs.replace(submission, ties=_ties(node, config, ids)))
        return packer.lighten(packed)

    def ids(self, accepted: Iterable[bytes]) -> dict[Step[Any], str]:
        """The task that stands for each step."""
        return dict(zip(self.nodes, map(to_text, accepted), strict=True))


def _ties(node: Node, config: TaskConfig, ids: Mapping[Step[Any], bytes]) -> Ties | None:
    feed = node.feed
    parents = [*(ids[step] for step in node.before), *map(id_of, config.parents)]
    if not parents and not node.group and not feed.listed:
        return None
    return Ties(
        list(dict.fromkeys(parents)),
        Fate(config.on_parent_failure),
        Fate(config.on_parent_cancel),
        takes=len(feed.steps),
        listed=feed.listed,
        group=node.group,
        size=node.size,
        position=node.position,
    )


def _sorted(nodes: Mapping[Step[Any], Node]) -> Iterator[Node]:
    """Each after those that it waits for, else in the order in which they were placed."""
    left = {step: sum(1 for _ in node.before) for step, node in nodes.items()}
    after: dict[Step[Any], list[Step[Any]]] = {}
    for step, node in nodes.items():
        for other in node.before:
            after.setdefault(other, []).append(step)
    free = [step for step, count in left.items() if not count]
    for step in free:
        yield nodes[step]
        for other in after.get(step, ()):
            left[other] -= 1
            if not left[other]:
                free.append(other)
    if len(free) < len(nodes):
        raise DependencyCycleError([step.name for step in _circle(nodes, {step for step in left if left[step]})])


def _circle(nodes: Mapping[Step[Any], Node], stuck: set[Step[Any]]) -> list[Step[Any]]:
    """One of the circles among steps each of which waits for another of them."""
    way: dict[Step[Any], int] = {}
    step = next(each for each in nodes if each in stuck)
    while step not in way:
        way[step] = len(way)
        step = next(other for other in nodes[step].before if other in stuck)
    return list(way)[way[step] :]
