"""Settings gathered from their sources: the strongest word counts, and every fault is kept for one report."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from supervisor.errors import SettingsError
from supervisor.settings.nearest import did_you_mean
from supervisor.settings.source import DEFAULT, Source
from supervisor.settings.spec import Spec

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 100


@dataclass
class Gathered:
    """What was read so far. `spoiled` names the settings of which some source says nonsense."""

    known: Mapping[str, Spec]
    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    spoiled: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.values = {name: spec.default for name, spec in self.known.items()}
        self.origins = dict.fromkeys(self.known, DEFAULT)

    def add(self, source: Source) -> None:
        """Read a source that is stronger than those before; all of it, so that every fault is told."""
        for name, value in source.values.items():
            spec = self.known.get(name)
            if spec is None:
                self.faults.append(_unknown(name, source, self.known))
            else:
                self._read(spec, value, source.origin(spec))

    def try_add(self, make: Callable[[], Source]) -> None:
        """Make and read a source that may turn out to be unreadable."""
        try:
            source = make()
        except SettingsError as error:
            self.faults += error.faults
        else:
            self.add(source)

    def _read(self, spec: Spec, value: object, origin: str) -> None:
        try:
            self.values[spec.name] = spec.kind.read(value)
        except ValueError as error:
            self.faults.append(_senseless(spec, value, origin, str(error)))
            self.spoiled.add(spec.name)
        self.origins[spec.name] = origin


def _unknown(name: str, source: Source, known: Iterable[str]) -> str:
    hint = did_you_mean(name, known)
    return f"unknown setting {name!r} {source.place}" + (f": {hint}" if hint else "")


def _senseless(spec: Spec, value: object, origin: str, hint: str) -> str:
    said = _short.repr(value)
    return f"{spec.name} must be {spec.kind.expects}; {origin} says {said}" + (f": {hint}" if hint else "")
