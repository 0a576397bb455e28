"""What the tasks of one name and one set of options have in common, options filled in with the settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from msgspec import Struct, UnsetType
from msgspec.structs import asdict, force_setattr

from supervisor.core.backoff import Backoff
from supervisor.core.internal import INTERNAL
from supervisor.core.tallies import Tallies
from supervisor.core.tally import Tally
from supervisor.wire.options import Options

T = TypeVar("T")
_MOST_KINDS = 10_000


@dataclass(frozen=True, slots=True)
class Defaults:
    """The settings that stand in for options a task does not choose."""

    timeout: float | None = 300.0
    soft_timeout: float | None = None
    max_retries: int = 3
    retry_delay: float = 1.0
    backoff: float = 2.0
    max_delay: float = 3600.0
    retry_jitter: float = 1.0
    crash_budget: int = 3
    abort_budget: int = 10
    memory_limit: int | None = None
    profile: bool = False


class Kind(Struct, frozen=True, gc=False):
    """A name with its options, resolved. Shared by all its tasks: a million queued tasks hold one of them."""

    name: str
    options: Options
    queue: str
    priority: int
    timeout: float | None
    soft_timeout: float | None
    max_retries: int
    retries: Backoff
    crash_budget: int
    abort_budget: int
    memory_limit: int | None
    leave_children: bool
    profile: bool
    internal: bool
    """Whether it is the supervisor's own, and counts in nobody's numbers."""
    tally: Tally
    """Where its tasks are counted."""


def _or(value: T | UnsetType, default: T) -> T:
    return default if isinstance(value, UnsetType) else value


class Kinds:
    """The kinds in use, one object each."""

    def __init__(self, defaults: Defaults) -> None:
        self.defaults = defaults
        self.tallies = Tallies()
        self._known: dict[tuple[str, Options], Kind] = {}
        self._last: Kind | None = None
        """Tasks of one kind come together, and to compare is cheaper than to hash."""

    def get(self, name: str, options: Options) -> Kind:
        """The kind of this name and these options."""
        last = self._last
        if last is not None and last.name == name and (last.options is options or last.options == options):
            return last
        key = (name, options)
        kind = self._last = self._known.get(key)
        if kind is None:
            if len(self._known) >= _MOST_KINDS:
                self._known.clear()  # they live on in their tasks; only the sharing starts anew
            kind = self._last = self._known[key] = self._resolve(name, options)
        return kind

    def _resolve(self, name: str, chosen: Options) -> Kind:
        ours = self.defaults
        timeout = _or(chosen.timeout, ours.timeout)
        soft = _or(chosen.soft_timeout, ours.soft_timeout)
        if soft is not None and timeout is not None and soft >= timeout:
            soft = None  # the hard limit comes first anyway
        return Kind(
            name=name,
            options=chosen,
            queue=chosen.queue,
            priority=chosen.priority,
            timeout=timeout,
            soft_timeout=soft,
            max_retries=_or(chosen.max_retries, ours.max_retries),
            retries=Backoff(
                delay=_or(chosen.retry_delay, ours.retry_delay),
                factor=_or(chosen.backoff, ours.backoff),
                cap=_or(chosen.max_delay, ours.max_delay),
                jitter=_or(chosen.retry_jitter, ours.retry_jitter),
            ),
            crash_budget=_or(chosen.crash_budget, ours.crash_budget),
            abort_budget=ours.abort_budget,
            memory_limit=_or(chosen.memory_limit, ours.memory_limit),
            leave_children=chosen.leave_children,
            profile=_or(chosen.profile, ours.profile),
            internal=name in INTERNAL,
            tally=self.tallies.get(chosen.queue, name),
        )

    def change(self, defaults: Defaults, used: Iterable[Kind]) -> None:
        """Other settings hold from now on, also for the kinds ``used`` by tasks that are here already."""
        self.defaults = defaults
        for kind in {id(each): each for each in (*used, *self._known.values())}.values():
            for field, value in asdict(self._resolve(kind.name, kind.options)).items():
                force_setattr(kind, field, value)
