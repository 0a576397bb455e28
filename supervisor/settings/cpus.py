"""Which CPUs the web workers and the task workers may use, as a setting.

Only the wish is read here, into a form that is always written the same way; what comes of it on a given
machine is worked out in :mod:`supervisor.system.cpus`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from supervisor.settings.kind import Plain
from supervisor.system.cpus import format_cpus

MOST_CPUS = 8192  # the most that Linux can be built for
SIDES = ("web", "tasks")

_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)
_PAIR = re.compile(r"(\w+)\s*=\s*([\d,\-]*)", re.ASCII)


class CpuList(Plain):
    """ "auto", "off", the task workers' CPUs as "1-3,5", or both sides as "web=0 tasks=1-3" or a mapping."""

    unit = "`auto`, `off`, a list, or one for each side"
    expects = (
        '"auto", "off", a list of CPUs for the task workers such as "1-3,5", '
        'or one for each side such as "web=0 tasks=1-3" or {"web": "0", "tasks": "1-3"}'
    )

    def read(self, value: object) -> str | Mapping[str, str]:
        if isinstance(value, Mapping):
            return _from_sides(value)
        text = value.strip().lower() if isinstance(value, str) else ""
        if text in ("auto", "off"):
            return text
        return _from_pairs(text) if "=" in text else format_cpus(numbers(value))

    def show(self, value: object) -> str:
        return " ".join(f"{side}={cpus}" for side, cpus in value.items()) if isinstance(value, Mapping) else str(value)

    def plain(self, value: object) -> object:
        return dict(value) if isinstance(value, Mapping) else value


def numbers(value: object) -> frozenset[int]:
    """The CPUs meant by "1-3,5", by one number, or by a list of either; ValueError when it means none."""
    if isinstance(value, list | tuple | set | frozenset):
        value = ",".join(map(str, value))
    if not isinstance(value, int | str):
        raise ValueError
    return frozenset(cpu for part in str(value).split(",") for cpu in _range(part.strip()))


def _from_pairs(text: str) -> Mapping[str, str]:
    pairs = _PAIR.findall(text)
    if _PAIR.sub("", text).strip(" ;") or len(dict(pairs)) != len(pairs):
        raise ValueError
    return _from_sides(dict(pairs))


def _from_sides(sides: Mapping[object, object]) -> Mapping[str, str]:
    if not sides or not set(sides) <= set(SIDES):
        raise ValueError('the sides are "web" and "tasks"')
    return {side: format_cpus(numbers(sides[side])) for side in SIDES if side in sides}


def _range(text: str) -> range:
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no CPU number or range" if text else "")
    first, last = int(match[1]), int(match[2] or match[1])
    if first > last:
        raise ValueError(f"{text!r} runs backwards")
    if last >= MOST_CPUS:
        raise ValueError(f"CPU numbers end at {MOST_CPUS - 1}")
    return range(first, last + 1)
