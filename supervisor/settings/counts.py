"""A number for each of several names, as a setting."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from supervisor.settings.kind import Whole

_PAIR = re.compile(r"([^\s=,;]{1,100})\s*=\s*([\d_]{1,20})")


@dataclass(frozen=True)
class Counts:
    """Whole numbers by name: "emails=100 reports=5" or {"emails": 100, "reports": 5}."""

    number: Whole

    @property
    def unit(self) -> str:
        return f"names, each with {self.number.unit}"

    @property
    def expects(self) -> str:
        return f'{self.number.expects} for each name, such as "emails=100 reports=5" or {{"emails": 100}}'

    def read(self, value: object) -> Mapping[str, int]:
        pairs = list(value.items()) if isinstance(value, Mapping) else _pairs(value)
        if not pairs or not all(isinstance(name, str) and 0 < len(name) <= 100 for name, _ in pairs):
            raise ValueError
        return {name: self.number.read(count) for name, count in pairs}

    def show(self, value: Any) -> str:
        return " ".join(f"{name}={count}" for name, count in value.items())

    def plain(self, value: Any) -> object:
        return dict(value)


def _pairs(value: object) -> list[tuple[str, str]]:
    if not isinstance(value, str):
        raise ValueError
    pairs = _PAIR.findall(value)
    if _PAIR.sub("", value).strip(" ,;") or len(dict(pairs)) != len(pairs):
        raise ValueError
    return pairs
