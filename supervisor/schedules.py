"""``schedule``: declaring, in code, when tasks run by themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack

from supervisor import registry
from supervisor.config import TaskConfig
from supervisor.core.plan import Plan
from supervisor.directory import Directory
from supervisor.errors import MessageTooLargeError, ScheduleError, SupervisorError
from supervisor.functions import name_of, unwrap
from supervisor.log import log
from supervisor.packer import NO_CONFIG, Packer
from supervisor.schedule_options import Rules, ScheduleOptions, read_rules
from supervisor.wire.info import Info

F = TypeVar("F", bound=Callable[..., Any])
_MOST_BYTES = 64 * 1024
"""Of a schedule's arguments: they are kept in memory, and sent along with the code's other schedules."""


class _Arguments(TypedDict, total=False):
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    config: TaskConfig


class DecoratorOptions(ScheduleOptions, _Arguments, total=False):
    """The options of ``@schedule``: also what its function is called with, and the options of its tasks."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is to run, and when."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    config: TaskConfig
    rules: Rules

    def plan(self, info: Info) -> Plan:
        """The form that travels. Raises ScheduleError for arguments that cannot, or that are too large."""
        rules = self.rules
        terms = Info(info.payloads, _MOST_BYTES, _MOST_BYTES)
        try:
            task = Packer(Directory(Path()), terms).call(self.function, self.args, self.kwargs, self._config())
        except MessageTooLargeError:
            fault = f"its arguments take more than {_MOST_BYTES:,} bytes; name a file or a row instead"
            raise ScheduleError(rules.name, fault) from None
        except SupervisorError as error:
            raise ScheduleError(rules.name, str(error)) from error
        return Plan(rules.name, rules.timing, task, rules.misfire, rules.grace, rules.overlap)

    def _config(self) -> TaskConfig:
        """A function that became a task only after it was scheduled, by a decorator above, has that task's options."""
        function = unwrap(self.function)
        if self.config is not NO_CONFIG or function is not self.function or not callable(function):
            return self.config
        known = registry.find(registry.name_of(function) or "")
        return known.config if known is not None else NO_CONFIG


class Declarations:
    """The schedules that this process has declared so far. As ``supervisor.schedule`` a decorator::

        @schedule(cron="0 3 * * *", zone="Europe/Berlin")
        @task(timeout=600)
        def clean_up() -> None: ...

        schedule.add(report, args=("weekly",), cron="0 6 * * MON", name="weekly report")

    What is declared while the modules of ``tasks`` are imported holds for as long as their code does. See
    :class:`supervisor.schedule_options.Rules` for the options; ScheduleError names one that makes no sense.
    """

    def __init__(self) -> None:
        self._declared: dict[str, Declaration] = {}
        self._told = False

    def __call__(self, **options: Unpack[DecoratorOptions]) -> Callable[[F], F]:
        """Decorator: have a task, or a function, run by itself. It stays what it is."""

        def decorate(function: F) -> F:
            chosen: dict[str, Any] = {**options}
            arguments = {option: chosen.pop(option) for option in _Arguments.__annotations__ if option in chosen}
            self._add(declaration(function, arguments, chosen))
            return function

        return decorate

    def add(
        self,
        func: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        config: TaskConfig = NO_CONFIG,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        """Have a task, or a function, run by itself with these arguments.

        ``config`` chooses the options of its tasks, in the place of the task's own.
        """
        self._add(declaration(func, {"args": args, "kwargs": kwargs or {}, "config": config}, options))

    def _add(self, new: Declaration) -> None:
        name = new.rules.name
        before = self._declared.get(name)
        if before is not None and (_origin(before) != _origin(new) or before.rules != new.rules):
            raise ScheduleError(name, "another schedule has this name; give one of them a name of its own")
        self._declared[name] = new
        if self._told:
            log.warning(
                "schedule %s is declared too late to fire: declare it while the modules of `tasks` are imported, or"
                " use TaskQueue.add_schedule",
                name,
            )

    def plans(self, info: Info, *, last: bool = True) -> list[Plan]:
        """All that was declared, for the broker; what comes later is too late, unless this is not the ``last`` time."""
        self._told = self._told or last
        return [each.plan(info) for each in self._declared.values()]


def declaration(function: Callable[..., Any], arguments: Mapping[str, Any], options: Mapping[str, Any]) -> Declaration:
    """What is to run, and when, by these words. Raises ScheduleError."""
    plain = unwrap(function)
    config = arguments.get("config", NO_CONFIG)
    if not callable(plain):
        raise TypeError(f"{function!r} is no function")
    own = getattr(function, "config", NO_CONFIG) if config is NO_CONFIG and plain is not function else config
    rules = read_rules(own.name or name_of(plain), options)
    if own.eta is not None:
        raise ScheduleError(rules.name, "its task has an eta, which would be the same for each firing; give it a start")
    if own.parents:
        raise ScheduleError(rules.name, "its task has a parent, which would be the same for each firing; schedule that")
    args, kwargs = arguments.get("args", ()), arguments.get("kwargs", {})
    if isinstance(args, str | bytes) or not isinstance(args, Sequence) or not isinstance(kwargs, Mapping):
        raise ScheduleError(rules.name, f"args={args!r}, kwargs={kwargs!r}: expected a sequence and a mapping")
    return Declaration(function, tuple(args), dict(kwargs), config, rules)


def _origin(declared: Declaration) -> tuple[object, object]:
    function = unwrap(declared.function)
    return getattr(function, "__module__", None), getattr(function, "__qualname__", function)


schedule = Declarations()
"""Declares schedules; see :class:`Declarations`."""
