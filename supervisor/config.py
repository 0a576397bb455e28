"""The options of a task: checked where they are written, sent as they were chosen."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from functools import cached_property
from typing import Any, Self, TypedDict

from supervisor.errors import TaskOptionError
from supervisor.settings.kind import Duration, Kind, Maybe, Size, Switch, Whole
from supervisor.settings.nearest import did_you_mean
from supervisor.wire.options import Options


class Priority(IntEnum):
    """Names for priorities; any whole number will do. Higher runs first."""

    LOW = -10
    NORMAL = 0
    HIGH = 10
    CRITICAL = 20


class TaskOptions(TypedDict, total=False):
    """The options that ``@task(...)``, ``options(...)`` and :class:`TaskConfig` take."""

    name: str
    timeout: float | str | None
    soft_timeout: float | str | None
    max_retries: int
    retry_delay: float | str
    crash_budget: int
    memory_limit: int | str | None
    priority: int | str | Enum
    delay: float | str
    leave_children: bool


class _Unset(Enum):
    UNSET = "follow the supervisor's settings"


_UNSET: Any = _Unset.UNSET


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
    """Time before it runs again. Setting's default: 1 s."""
    crash_budget: int = _UNSET
    """How many attempts may end with the death of their process. Setting's default: 3."""
    memory_limit: int | str | None = _UNSET
    """What it may take in memory before it is killed; None for no limit. Setting's default: None."""
    priority: int | str | Enum = Priority.NORMAL
    """A whole number, an int-valued Enum, or a name of :class:`Priority` such as "high"."""
    delay: float | str = 0.0
    """Time before it may start."""
    leave_children: bool = False
    """Whether processes that it leaves behind may live on after it succeeded, for as long as its worker does."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            kind = _KINDS.get(field.name)
            if kind is not None and value is not _UNSET:
                object.__setattr__(self, field.name, _read(field.name, kind, value))
        object.__setattr__(self, "priority", _priority(self.priority))
        if self.name is not None and not 0 < len(self.name) <= 255:
            raise TaskOptionError("name", self.name, "1 to 255 characters")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """The config with these options; TaskOptionError names the nearest one for an unknown name."""
        known = {field.name for field in dataclasses.fields(cls)}
        for name in options:
            if name not in known:
                raise TaskOptionError(name, options[name], f"a known option{did_you_mean(name, sorted(known))}")
        return cls(**options)

    def replace(self, options: Mapping[str, Any]) -> TaskConfig:
        """A copy with these options changed."""
        chosen = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return TaskConfig.of({**chosen, **options})

    @cached_property
    def wire(self) -> Options:
        """The form that travels."""
        values = {name: getattr(self, name) for name in _TRAVELLING}
        chosen = {name: value for name, value in values.items() if value is not _UNSET}
        return Options(priority=int(self.priority), leave_children=self.leave_children, **chosen)  # type: ignore[arg-type]


_KINDS: dict[str, Kind[Any]] = {
    "timeout": Maybe(Duration()),
    "soft_timeout": Maybe(Duration()),
    "max_retries": Whole(0, 1_000_000),
    "retry_delay": Duration(above=False),
    "crash_budget": Whole(1, 1_000_000),
    "memory_limit": Maybe(Size()),
    "delay": Duration(above=False),
    "leave_children": Switch(),
}
_TRAVELLING = ("timeout", "soft_timeout", "max_retries", "retry_delay", "crash_budget", "memory_limit")


def _read(name: str, kind: Kind[Any], value: object) -> object:
    try:
        return kind.read(value)
    except (ValueError, TypeError):
        raise TaskOptionError(name, value, kind.expects) from None


def _priority(value: int | str | Enum) -> int:
    if isinstance(value, str):
        try:
            return Priority[value.upper()].value
        except KeyError:
            names = ", ".join(f'"{each.name.lower()}"' for each in Priority)
            raise TaskOptionError("priority", value, f"a whole number or one of {names}") from None
    number = value.value if isinstance(value, Enum) else value
    if not isinstance(number, int) or isinstance(number, bool) or abs(number) > 1_000_000:
        raise TaskOptionError("priority", value, "a whole number of at most a million, or an Enum of them")
    return int(number)
