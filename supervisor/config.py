"""The options of a task: checked where they are written, sent as they were chosen."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Any, Self, TypedDict

from supervisor.core.keys import Keys, Limit, Rate, Unique
from supervisor.core.ties import Fate, Ties
from supervisor.errors import TaskOptionError
from supervisor.ids import id_of
from supervisor.option_kinds import KINDS, Parents, rate_of, read_name, read_option
from supervisor.policy import NO_POLICY, ErrorHandler, ErrorType, Policy
from supervisor.priority import Priority, read_priority
from supervisor.settings.nearest import did_you_mean
from supervisor.wire.options import Options


class TaskOptions(TypedDict, total=False):
    """The options that ``@task(...)``, ``options(...)`` and :class:`TaskConfig` take."""

    name: str
    timeout: float | str | None
    soft_timeout: float | str | None
    max_retries: int
    retry_delay: float | str
    backoff: float
    max_delay: float | str
    retry_jitter: float | str
    retry_on: ErrorType | Iterable[ErrorType] | None
    never_retry_on: ErrorType | Iterable[ErrorType]
    error_handler: ErrorHandler | None
    crash_budget: int
    memory_limit: int | str | None
    priority: int | str | Enum
    queue: str
    delay: float | str
    eta: datetime | None
    expires: float | str | None
    unique: str | None
    unique_until: str | float
    limit: int | None
    limit_key: str | None
    rate: str | None
    rate_key: str | None
    store_result: bool
    result_ttl: float | str
    leave_children: bool
    parent: Parents | None
    on_parent_failure: str
    on_parent_cancel: str
    context: Mapping[str, Any] | None
    profile: bool
    hidden: str | Iterable[str]


class _Unset(Enum):
    UNSET = "follow the supervisor's settings"


_UNSET: Any = _Unset.UNSET
_TRAVELLING = (
    "timeout",
    "soft_timeout",
    "max_retries",
    "retry_delay",
    "backoff",
    "max_delay",
    "retry_jitter",
    "crash_budget",
    "memory_limit",
    "result_ttl",
    "profile",
)


@dataclass(frozen=True, kw_only=True)
class TaskConfig:
    """Options of a task. Durations are seconds or text such as "5m", sizes bytes or text such as "200M".

    What is left out follows the supervisor's settings. TaskOptionError tells which value makes no sense.
    """

    name: str | None = None
    """The name it goes by; default ``module.qualname`` of the function."""
    timeout: float | str | None = _UNSET
    """Hard limit of one attempt, counted from the claim; None for none. Setting's default: 300 s."""
    soft_timeout: float | str | None = _UNSET
    """When SoftTimeoutError is raised in the task; None for never. Setting's default: None."""
    max_retries: int = _UNSET
    """How often it runs again after it raised or timed out. Setting's default: 3."""
    retry_delay: float | str = _UNSET
    """Time before it runs again for the first time. Setting's default: 1 s."""
    backoff: float = _UNSET
    """What that time is multiplied with at each further failure; 1 for a fixed delay. Setting's default: 2."""
    max_delay: float | str = _UNSET
    """Most time between two runs. Setting's default: 1 h."""
    retry_jitter: float | str = _UNSET
    """Up to how much time is added by chance. Setting's default: 1 s."""
    retry_on: ErrorType | Iterable[ErrorType] | None = None
    """Run again after these errors only; None for after any. A kill at the hard limit is a TaskTimeoutError."""
    never_retry_on: ErrorType | Iterable[ErrorType] = ()
    """Never run again after these. The death of the process is a WorkerLostError."""
    error_handler: ErrorHandler | None = None
    """``(task_id, error, attempt) -> bool``, asked whether to run again wherever an attempt is left."""
    crash_budget: int = _UNSET
    """How many attempts may end with the death of their process. Setting's default: 3."""
    memory_limit: int | str | None = _UNSET
    """What it may take in memory before it is killed; None for no limit. Setting's default: None."""
    priority: int | str | Enum = Priority.NORMAL
    """A whole number, an int-valued Enum, or a name of :class:`Priority` such as "high"."""
    queue: str = "default"
    """The named queue that it waits in."""
    delay: float | str = 0.0
    """Time before it may start."""
    eta: datetime | None = None
    """When it may start; a time zone must be part of it."""
    expires: float | str | None = None
    """Time after which it is not started any more, and ends as expired; None for never."""
    unique: str | None = None
    """A key that one task at a time may hold: submitting a second gives the handle of the first."""
    unique_until: str | float = "finished"
    """How long it is held: until "started", until "finished", or for a period (seconds, or text such as "1h")."""
    limit: int | None = None
    """How many tasks with the same ``limit_key`` may run at once."""
    limit_key: str | None = None
    """Default: the task's name."""
    rate: str | None = None
    """How many tasks with the same ``rate_key`` may start in a period: "10/s", "100/m", "5/2h"."""
    rate_key: str | None = None
    """Default: the task's name."""
    store_result: bool = True
    """Whether what it returns is kept."""
    result_ttl: float | str = _UNSET
    """How long its result is kept after its end. Setting's default: 7 days."""
    leave_children: bool = False
    """Whether processes that it leaves behind may live on after it succeeded, for as long as its worker does."""
    parent: Parents | None = None
    """A handle (of a group too) or the id of a task, or several: it is not started before those have succeeded."""
    on_parent_failure: str = "cancel"
    """What becomes of it when one has failed, timed out or was lost: "cancel", "fail", or "run" all the same."""
    on_parent_cancel: str = "cancel"
    """The same where one was cancelled or has expired."""
    context: Mapping[str, Any] | None = None
    """What its context begins with: plain data, of at most 64 KiB as JSON."""
    profile: bool = _UNSET
    """Whether CPU time, memory and a profile of each attempt are kept. Setting's default: no."""
    hidden: str | Iterable[str] = ()
    """The names of arguments that nobody is shown; of a handler, the keys of its data."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            kind = KINDS.get(field.name)
            if kind is not None and value is not _UNSET:
                object.__setattr__(self, field.name, read_option(field.name, kind, value))
        object.__setattr__(self, "priority", read_priority(self.priority))
        if self.name is not None:
            object.__setattr__(self, "name", read_name(self.name))

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """The config with these options; TaskOptionError names the nearest one for an unknown name."""
        known = {field.name for field in dataclasses.fields(cls)}
        for name in options:
            if name not in known:
                hint = did_you_mean(name, sorted(known)) or "see TaskConfig"
                raise TaskOptionError(name, options[name], f"a known option; {hint}")
        return cls(**options)

    def replace(self, options: Mapping[str, Any]) -> TaskConfig:
        """A copy with these options changed."""
        chosen = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return TaskConfig.of({**chosen, **options})

    @property
    def eta_wall(self) -> float:
        """``eta`` in wall-clock seconds since 1970; 0 for none."""
        return self.eta.timestamp() if self.eta is not None else 0.0

    def keys(self, name: str) -> Keys | None:
        """The keys of a task of this name."""
        if self.unique is None and self.limit is None and self.rate is None:
            return None
        unique = None
        if self.unique is not None:
            period = isinstance(self.unique_until, float)
            until = "period" if period else str(self.unique_until)
            unique = Unique(self.unique, until, float(self.unique_until) if period else 0.0)
        limit = Limit(self.limit_key or name, self.limit) if self.limit is not None else None
        rate = None
        if self.rate is not None:
            most, seconds = rate_of(self.rate)
            rate = Rate(self.rate_key or name, most, seconds)
        return Keys(unique, limit, rate)

    @property
    def parents(self) -> tuple[str, ...]:
        """The ids of the tasks that it waits for."""
        found: Any = self.parent  # read already
        return found or ()

    @property
    def ties(self) -> Ties | None:
        """The ties that these options make."""
        if not self.parents:
            return None
        parents = [id_of(each) for each in dict.fromkeys(self.parents)]
        return Ties(parents, Fate(self.on_parent_failure), Fate(self.on_parent_cancel))

    @cached_property
    def policy(self) -> Policy:
        """When it runs again, as far as its own code is asked; travels with the function."""
        if self.retry_on is None and not self.never_retry_on and self.error_handler is None:
            return NO_POLICY
        chosen: Any = (self.retry_on, self.never_retry_on, self.error_handler)  # read already, as tuples of types
        return Policy(*chosen)

    @cached_property
    def wire(self) -> Options:
        """The form that travels."""
        values = {name: getattr(self, name) for name in _TRAVELLING}
        chosen = {name: value for name, value in values.items() if value is not _UNSET}
        return Options(
            priority=read_priority(self.priority),
            leave_children=self.leave_children,
            queue=self.queue,
            store_result=self.store_result,
            error_handler=self.policy.asks_after_kill,
            hidden=tuple(self.hidden),
            **chosen,
        )
