"""What is known about one setting: its name, meaning, group and the kind of value it takes.

The record rides in the metadata of the dataclass field, so that reading, checking, writing and the reference
page all come from the one line where the setting is declared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from supervisor.settings.kind import Kind

PREFIX = "SUPERVISOR_"
_KEY = "supervisor.setting"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One setting as the class declares it."""

    name: str
    group: str
    kind: Kind[Any]
    doc: str
    default: Any

    @property
    def env(self) -> str:
        """The environment variable that sets it."""
        return PREFIX + self.name.upper()

    @property
    def option(self) -> str:
        """The command-line option that sets it."""
        return "--" + self.name.replace("_", "-")

    def show(self, value: Any) -> str:
        """A value of this setting as a person would write it."""
        return self.kind.show(value)


def setting(group: str, kind: Kind[T], default: T, doc: str) -> T:
    """Declare a setting in a class body; type checkers see the default, dataclasses see a field."""
    return field(default=default, metadata={_KEY: (group, kind, doc)})


def specs(owner: Any) -> Mapping[str, Spec]:
    """Every setting of a dataclass (or an instance of one) by name, in the order of its declaration."""
    return {item.name: _spec(item.name, item.default, item.metadata[_KEY]) for item in fields(owner)}


def _spec(name: str, default: Any, told: tuple[str, Kind[Any], str]) -> Spec:
    group, kind, doc = told
    return Spec(name=name, group=group, kind=kind, doc=doc, default=default)
