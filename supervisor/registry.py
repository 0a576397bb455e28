"""The tasks and handlers that this process knows by name.

Each process has its own: a web worker knows what it has imported, a task worker what the ``tasks`` modules registered.
What a caller does not know itself it asks the broker, which was told the names by the template.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from supervisor.config import TaskConfig
from supervisor.errors import NameTakenError
from supervisor.functions import Function, unwrap
from supervisor.wire.info import Known

_PLAIN = (bool, int, float, str)
_DATA = ("context", "hidden")
"""Options that are plain data however they look."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A function under its name."""

    name: str
    function: Function
    config: TaskConfig
    spread: bool

    @property
    def known(self) -> Known:
        """The plain data of it."""
        return Known(self.spread, plain_options(self.config), self.config.policy.asks_after_kill)


_by_name: dict[str, Registered] = {}
_names: dict[int, str] = {}


def register(name: str, function: Callable[..., Any], config: TaskConfig, *, spread: bool) -> Registered:
    """Make a function known under a name; NameTakenError when another one has it.

    The same function may come again (its module was imported anew, or as ``__main__``), and the last one counts.
    """
    plain = unwrap(function)
    if not callable(plain):
        raise TypeError(f"{function!r} is no function")
    before = _by_name.get(name)
    if before is not None and _origin(before.function)[1:] != _origin(plain)[1:]:
        raise NameTakenError(name, *(".".join(map(str, _origin(each)[::2])) for each in (before.function, plain)))
    if before is not None:
        _names.pop(id(before.function), None)
    found = _by_name[name] = Registered(name, plain, config, spread)
    _names[id(plain)] = name
    return found


def _origin(function: Function) -> tuple[str, str, str]:
    """Where a function was written: its module, file and name. A module's name may be another in ``__main__``."""
    module = str(getattr(function, "__module__", ""))
    code = getattr(function, "__code__", None)
    return module, str(getattr(code, "co_filename", module)), str(getattr(function, "__qualname__", repr(function)))


def find(name: str) -> Registered | None:
    """What is registered under this name in this process."""
    return _by_name.get(name)


def name_of(function: Function) -> str | None:
    """The name that this very function is registered under."""
    return _names.get(id(function))


def names() -> list[str]:
    """Every name that this process knows."""
    return list(_by_name)


def snapshot() -> dict[str, Registered]:
    """All that is registered now."""
    return dict(_by_name)


def table() -> dict[str, Known]:
    """All names with their plain data, for the broker."""
    return {name: found.known for name, found in _by_name.items()}


def plain_options(config: TaskConfig) -> dict[str, Any]:
    """The options that differ from the defaults and are plain data."""
    found = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != field.default
    }
    return {name: value for name, value in found.items() if value is None or isinstance(value, _PLAIN) or name in _DATA}
