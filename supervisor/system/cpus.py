"""How the CPUs that we may use are divided between the web workers and the task workers.

Pure: the mask is passed in. Where there are too few CPUs to give each task worker one of its own, nobody is pinned
and the task workers are made nice instead (see :mod:`supervisor.system.nice`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CpuPlan:
    """Who runs where. ``tasks`` has one entry a worker slot, used round robin; empty means not pinned."""

    web: frozenset[int]
    tasks: tuple[frozenset[int], ...]
    reason: str

    @property
    def pinned(self) -> bool:
        """Whether task workers are pinned, or only nice."""
        return bool(self.tasks)

    def of_worker(self, slot: int) -> frozenset[int]:
        """The CPUs of the worker in ``slot``; empty means all."""
        return self.tasks[slot % len(self.tasks)] if self.tasks else frozenset()


def parse_cpus(text: str) -> frozenset[int]:
    """The CPUs in a list such as ``0,2-3``; ValueError says what is wrong with it."""
    found: set[int] = set()
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise ValueError(f"{part!r} is no CPU number or range")
        found.update(range(int(first), int(last if dash else first) + 1))
    if not found:
        raise ValueError("the list names no CPU")
    return frozenset(found)


def format_cpus(cpus: frozenset[int]) -> str:
    """The shortest list that :func:`parse_cpus` reads back, such as ``0,2-3``."""
    parts: list[str] = []
    ordered = sorted(cpus)
    while ordered:
        first = last = ordered.pop(0)
        while ordered and ordered[0] == last + 1:
            last = ordered.pop(0)
        parts.append(str(first) if first == last else f"{first}-{last}")
    return ",".join(parts)


def default_workers(allowed: frozenset[int]) -> int:
    """As many task workers as leave one CPU to the web, at least one."""
    return max(1, len(allowed) - 1)


def plan_cpus(setting: str | Mapping[str, str], workers: int, allowed: frozenset[int]) -> CpuPlan:
    """Divide ``allowed`` by the setting ``cpus``: ``auto``, ``off``, a list for the tasks, or one for each side."""
    if setting == "off":
        return CpuPlan(allowed, (), "cpus is off")
    if setting != "auto":
        return _explicit(setting, allowed)
    if len(allowed) < 2:
        return CpuPlan(allowed, (), "there is one CPU: task workers are nice instead of pinned")
    if workers > len(allowed) - 1:
        return CpuPlan(allowed, (), f"{workers} task workers on {len(allowed)} CPUs: nice instead of pinned")
    ordered = sorted(allowed)
    mine = ordered[len(ordered) - max(workers, 1) :]
    web = frozenset(ordered) - frozenset(mine)
    return CpuPlan(web, tuple(frozenset({cpu}) for cpu in mine), "one CPU a task worker, the rest for the web")


def _explicit(setting: str | Mapping[str, str], allowed: frozenset[int]) -> CpuPlan:
    lists = {"tasks": setting} if isinstance(setting, str) else dict(setting)
    tasks = parse_cpus(lists["tasks"]) & allowed if "tasks" in lists else frozenset[int]()
    web = parse_cpus(lists["web"]) & allowed if "web" in lists else (allowed - tasks or allowed)
    if ("tasks" in lists and not tasks) or not web:
        raise ValueError(f"none of the named CPUs may be used here (allowed: {format_cpus(allowed)})")
    tasks = tasks or (allowed - web or allowed)
    return CpuPlan(web, tuple(frozenset({cpu}) for cpu in sorted(tasks)), "as the setting cpus says")
