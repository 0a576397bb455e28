"""Calls that are not submitted yet, put together: one after the other, side by side, and all of them or none."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, Unpack, overload

from supervisor.config import TaskConfig, TaskOptions
from supervisor.creation import Creation
from supervisor.functions import name_of
from supervisor.group_handle import GroupHandle
from supervisor.handle import Handle
from supervisor.ids import to_text
from supervisor.option_kinds import Parent
from supervisor.workflow import Draft, Feed

if TYPE_CHECKING:
    from supervisor.taskqueue import TaskQueue
    from supervisor.tasks import Task

R = TypeVar("R", covariant=True)  # noqa: PLC0105  it is what readers see in the reference
T = TypeVar("T")
U = TypeVar("U")
AnyPart: TypeAlias = "Step[Any] | Chain[Any] | Group[Any]"


class Step(Generic[R]):
    """A call of a task, made by :meth:`Task.step`, that goes into a chain or a group, or is submitted by itself.

    Its methods change it and give it back. It stands for one call: in one workflow it is used once.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        config: TaskConfig,
        to: TaskQueue,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> None:
        self.function = function
        self.config = config
        self.queue = to
        self.args = args
        self.kwargs = kwargs
        self.takes = True
        """Whether it is given the result of the one before."""
        self.others: list[Step[Any]] = []
        """Steps that it waits for besides."""

    @property
    def name(self) -> str:
        """The name of its task."""
        return self.config.name or name_of(self.function)

    def __repr__(self) -> str:
        return f"<Step {self.name}>"

    def options(self, **options: Unpack[TaskOptions]) -> Step[R]:
        """Change options of this call."""
        self.config = self.config.replace(options)
        return self

    def alone(self) -> Step[R]:
        """Do not give it the result of the one before; it still waits for that."""
        self.takes = False
        return self

    def after(self, *others: Step[Any] | Parent | str) -> Step[R]:
        """Have it wait for other steps as well, which are submitted along with it, or for tasks that are there already.

        They hand nothing on to it. Steps that wait for each other in a circle are a DependencyCycleError at the submit.
        """
        there: list[Parent | str] = []
        for other in others:
            if isinstance(other, Step):
                self.others.append(other)
            elif isinstance(other, Chain | Group):
                raise TypeError(
                    f"a step can be after steps, handles and ids, not after a {type(other).__name__}: name its steps"
                )
            else:
                there.append(other)
        if there:
            self.config = self.config.replace({"parent": [*self.config.parents, *there]})
        return self

    def creation(self) -> Creation:
        """What hooks are shown of it before it is submitted."""
        return Creation.of(self.function, self.args, self.kwargs, self.config)

    def delay(self) -> Handle[R]:
        """Submit it, with the steps that it is after."""
        return _submit(self)

    async def adelay(self) -> Handle[R]:
        """:meth:`delay` without blocking the event loop."""
        return await _asubmit(self)

    def place(self, draft: Draft, feed: Feed) -> Feed:
        """Used where it is submitted."""
        draft.add(self, feed)
        return Feed((self,))


class Chain(Generic[R]):
    """Steps one after the other, made by ``chain``; a chord, where one of them is a group. ``R`` is what the last
    returns.
    """

    def __init__(self, parts: tuple[Step[Any] | Group[Any], ...]) -> None:
        self.parts = parts

    def __repr__(self) -> str:
        return f"<Chain of {len(self.parts)}>"

    def delay(self) -> Handle[R]:
        """Submit all of it, or nothing; the handle of its last step. Raises what :meth:`TaskQueue.submit` raises."""
        return _submit(self)

    async def adelay(self) -> Handle[R]:
        """:meth:`delay` without blocking the event loop."""
        return await _asubmit(self)

    def place(self, draft: Draft, feed: Feed) -> Feed:
        """Used where it is submitted."""
        for part in self.parts:
            feed = part.place(draft, feed)
        return feed


class Group(Generic[R]):
    """Steps and chains side by side, made by ``group``. ``R`` is what each of them returns."""

    def __init__(
        self, members: tuple[Step[Any] | Chain[Any], ...], lead: tuple[Step[Any] | Group[Any], ...] = ()
    ) -> None:
        self.members = members
        self.lead = lead
        """What comes before it."""

    def __repr__(self) -> str:
        return f"<Group of {len(self.members)}>"

    def then(self, step: Step[U]) -> Chain[U]:
        """A chord: when all members have ended well, this step is called with the list of their results, in order.

        With ``on_parent_failure="run"`` the step runs whatever became of them, and is given exceptions in the places of
        those that did not end well.
        """
        return Chain(_flat((self, step)))

    def delay(self) -> GroupHandle[R]:
        """Submit all of them, or none. Raises what :meth:`TaskQueue.submit` raises."""
        draft = Draft.of(self)
        ids = draft.queue.submit_draft(draft)
        return GroupHandle(to_text(draft.group), [ids[each] for each in draft.ends], draft.queue)

    async def adelay(self) -> GroupHandle[R]:
        """:meth:`delay` without blocking the event loop."""
        draft = Draft.of(self)
        ids = await draft.queue.asubmit_draft(draft)
        return GroupHandle(to_text(draft.group), [ids[each] for each in draft.ends], draft.queue)

    def place(self, draft: Draft, feed: Feed) -> Feed:
        """Used where it is submitted."""
        for part in self.lead:
            feed = part.place(draft, feed)
        return draft.add_group(self.members, feed)


@overload
def chain(last: Step[T] | Chain[T], /) -> Chain[T]: ...
@overload
def chain(a: AnyPart, last: Step[T] | Chain[T], /) -> Chain[T]: ...
@overload
def chain(a: AnyPart, b: AnyPart, last: Step[T] | Chain[T], /) -> Chain[T]: ...
@overload
def chain(a: AnyPart, b: AnyPart, c: AnyPart, last: Step[T] | Chain[T], /) -> Chain[T]: ...
@overload
def chain(a: AnyPart, b: AnyPart, c: AnyPart, d: AnyPart, last: Step[T] | Chain[T], /) -> Chain[T]: ...
@overload
def chain(a: AnyPart, last: Group[T], /) -> Group[T]: ...
@overload
def chain(a: AnyPart, b: AnyPart, last: Group[T], /) -> Group[T]: ...
@overload
def chain(a: AnyPart, b: AnyPart, c: AnyPart, last: Group[T], /) -> Group[T]: ...
@overload
def chain(*parts: AnyPart) -> Any: ...
def chain(*parts: Any) -> Any:
    """Steps one after the other: each is called with what the one before returned as its first argument.

    A group in it has each of its members called with that, and the step after it is called with the list of their
    results. Chains in it are taken apart. One that ends with a group is a group, with all that comes before it.
    """
    flat = _flat(parts)
    if not flat:
        raise TypeError("a chain needs a step at least")
    last = flat[-1]
    return Group(last.members, flat[:-1]) if isinstance(last, Group) else Chain(flat)


class Grouping:
    """Makes groups. As ``supervisor.group``::

    group(resize.step(1), resize.step(2)).then(pack.step()).delay()
    group.of(resize, [(1,), (2,)]).delay()
    """

    def __call__(self, *members: Step[T] | Chain[T]) -> Group[T]:
        """Steps and chains side by side."""
        for member in members:
            if not isinstance(member, Step | Chain):
                raise TypeError(f"a group consists of steps and chains, such as task.step(1), not of {member!r}")
        return Group(members)

    @overload
    def of(self, task: Task[..., Coroutine[Any, Any, T]], arguments: Iterable[tuple[Any, ...]]) -> Group[T]: ...
    @overload
    def of(self, task: Task[..., T], arguments: Iterable[tuple[Any, ...]]) -> Group[T]: ...
    def of(self, task: Task[..., Any], arguments: Iterable[tuple[Any, ...]]) -> Group[Any]:
        """A call of a task for each tuple of arguments: a batch."""
        return Group(tuple(task.step(*each) for each in arguments))


group = Grouping()
"""Makes groups: ``group(a.step(1), b.step(2))`` of steps and chains that are to run side by side,
``group.of(a, [(1,), (2,)])`` of calls of one task, one for each tuple of arguments.
"""


def _flat(parts: Iterable[Any]) -> tuple[Step[Any] | Group[Any], ...]:
    """The steps and groups that follow each other."""
    found: list[Step[Any] | Group[Any]] = []
    for part in parts:
        if isinstance(part, Chain):
            found += part.parts
        elif isinstance(part, Group):
            found += [*part.lead, Group(part.members)]
        elif isinstance(part, Step):
            found.append(part)
        else:
            raise TypeError(f"a chain consists of steps, chains and groups, such as task.step(1), not of {part!r}")
    for one, other in pairwise(found):
        if isinstance(one, Group) and isinstance(other, Group):
            raise TypeError(
                "a group cannot follow a group directly: put a step between them, which is given the results"
            )
    return tuple(found)


def _submit(last: Step[Any] | Chain[Any]) -> Handle[Any]:
    draft = Draft.of(last)
    return Handle(draft.queue.submit_draft(draft)[draft.ends[0]], draft.queue)


async def _asubmit(last: Step[Any] | Chain[Any]) -> Handle[Any]:
    draft = Draft.of(last)
    return Handle((await draft.queue.asubmit_draft(draft))[draft.ends[0]], draft.queue)
