"""What settings must not say together, or not on this machine: the faults, and the oddities worth a warning.

Each rule is one line of a table: when it is broken, and the sentence about it. In the sentence the name of a
setting in braces becomes the name, the value and where it was set; in the reference page it becomes the name
alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING

from supervisor.settings.cpus import numbers
from supervisor.settings.host import Host

if TYPE_CHECKING:
    from supervisor.settings.model import Settings

ENVELOPE = 4096  # what a message holds beside the payload or the output it carries
LEAST_MEMORY = 32 * 1024**2
MOST_WORKERS_A_CPU = 32

HOST_WORDS = {"allowed": "the CPUs allowed here", "installed": "the memory of this machine"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing to check once every setting has been read."""

    text: str
    broken: Callable[[Settings, Host], bool]

    @property
    def names(self) -> frozenset[str]:
        """The settings it is about."""
        words = {name for _, name, _, _ in Formatter().parse(self.text) if name}
        return frozenset(words - HOST_WORDS.keys())

    def sentence(self, words: Mapping[str, str]) -> str:
        """The sentence, with words in place of the names in braces."""
        return self.text.format_map(words)


def _above(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and one > other


def _same(one: float | None, other: float | None) -> bool:
    return one is not None and one == other


def _sides(settings: Settings) -> tuple[frozenset[int], frozenset[int]]:
    """The CPUs named for the web workers and for the task workers."""
    cpus = settings.cpus
    if cpus in ("auto", "off"):
        return frozenset(), frozenset()
    sides = cpus if isinstance(cpus, Mapping) else {"tasks": cpus}
    web, tasks = (numbers(sides[side]) if side in sides else frozenset[int]() for side in ("web", "tasks"))
    return web, tasks


def _names_no_allowed_cpu(settings: Settings, host: Host) -> bool:
    return any(side and not side & host.cpus for side in _sides(settings))


def _names_a_forbidden_cpu(settings: Settings, host: Host) -> bool:
    return any(side & host.cpus and side - host.cpus for side in _sides(settings))


def _leaves_no_cpu(settings: Settings, host: Host) -> bool:
    web, tasks = _sides(settings)
    return len(host.cpus) > 1 and any(side >= host.cpus and not other for side, other in ((web, tasks), (tasks, web)))


def _shares_cpus(settings: Settings, host: Host) -> bool:
    web, tasks = _sides(settings)
    return bool(web & tasks & host.cpus)


def _is_shared_directory(settings: Settings, host: Host) -> bool:
    # A person who stands in the supervisor's own directory may well say `--dir .`: that one has a key.
    shared = settings.dir in (settings.dir.parent, host.home, host.application)
    return shared and not (settings.dir / "key").exists()


def _is_crowded(settings: Settings, host: Host) -> bool:
    return settings.workers is not None and settings.workers > MOST_WORKERS_A_CPU * len(host.cpus)


FAULTS = (
    Rule(
        "{min_workers} is above {workers}, with which the pool begins; lower the one or raise the other",
        lambda s, _: bool(s.workers) and _above(s.min_workers, s.workers),
    ),
    Rule(
        "{workers} is above {max_workers}; lower the one or raise the other",
        lambda s, _: _above(s.workers, s.max_workers),
    ),
    Rule(
        "{min_workers} is above {max_workers}; lower the one or raise the other",
        lambda s, _: _above(s.min_workers, s.max_workers),
    ),
    Rule(
        "{soft_timeout} is above {timeout}: the task would be killed before it is told to stop;"
        " the soft limit belongs below the hard one",
        lambda s, _: _above(s.soft_timeout, s.timeout),
    ),
    Rule(
        "{max_tasks_jitter} is not below {max_tasks}: some workers would be replaced before their first task",
        lambda s, _: s.max_tasks is not None and s.max_tasks_jitter >= s.max_tasks,
    ),
    Rule(
        "{inline_limit} does not fit into {message_limit}, of which 4K are for the rest of the message;"
        " lower the one or raise the other",
        lambda s, _: s.inline_limit + ENVELOPE > s.message_limit,
    ),
    Rule(
        "{output_limit} does not fit into {message_limit}, of which 4K are for the rest of the message;"
        " lower the one or raise the other",
        lambda s, _: s.output_limit + ENVELOPE > s.message_limit,
    ),
    Rule("{cpus} names, for one side, none of {allowed}", _names_no_allowed_cpu),
    Rule(
        "{dir} is the directory of the application, a home directory or the root, and would be closed to"
        " everybody else; name one for the supervisor alone, such as .supervisor",
        _is_shared_directory,
    ),
    Rule("{dir} is a file, not a directory", lambda s, _: s.dir.is_file()),
)

WARNINGS = (
    Rule(
        "{soft_timeout} equals {timeout}: the task is killed as it is told to stop, with no time to clean up",
        lambda s, _: _same(s.soft_timeout, s.timeout),
    ),
    Rule(
        "{max_tasks_jitter} has no effect without a number of tasks: {max_tasks}",
        lambda s, _: s.max_tasks is None and s.max_tasks_jitter > 0,
    ),
    Rule(
        "{memory_limit} is above {memory_budget}: the budget of all workers ends a task first",
        lambda s, _: _above(s.memory_limit, s.memory_budget),
    ),
    Rule(
        "{max_memory} is not below {memory_limit}: the limit kills the task before the worker is replaced",
        lambda s, _: _above(s.max_memory, s.memory_limit) or _same(s.max_memory, s.memory_limit),
    ),
    Rule(
        "{memory_limit} is less than Python and an application take as a rule: every task may be killed",
        lambda s, _: _above(LEAST_MEMORY, s.memory_limit),
    ),
    Rule("{memory_limit} is above {installed}", lambda s, host: _above(s.memory_limit, host.memory)),
    Rule("{memory_budget} is above {installed}", lambda s, host: _above(s.memory_budget, host.memory)),
    Rule(
        "{abort_budget} is below {crash_budget}: the death of the whole supervisor, seldom a task's own"
        " doing, would be held against it more than that of its worker",
        lambda s, _: s.abort_budget < s.crash_budget,
    ),
    Rule(
        "{orphan_grace} is above {grace}: the supervisor would outlive a Gunicorn that died for longer than"
        " one that was stopped",
        lambda s, _: s.orphan_grace > s.grace,
    ),
    Rule("{reload} has nothing to reload without modules: {tasks}", lambda s, _: s.reload and not s.tasks),
    Rule(
        "{payloads} leaves nothing to run without modules: {tasks}",
        lambda s, _: s.payloads == "json" and not s.tasks and s.workers != 0,
    ),
    Rule("{cpus} names more than {allowed}; only those are used", _names_a_forbidden_cpu),
    Rule("{cpus} gives both sides a CPU in common: tasks can slow the web workers there", _shares_cpus),
    Rule("{cpus} gives one side all of {allowed}: tasks can slow the web workers", _leaves_no_cpu),
    Rule(f"{{workers}} is more than {MOST_WORKERS_A_CPU} for each of {{allowed}}", _is_crowded),
)
