"""What is submitted by name: functions that were registered, here or with the workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from supervisor import registry
from supervisor.config import TaskConfig
from supervisor.errors import UnknownHandlerError
from supervisor.option_kinds import read_name
from supervisor.packer import Target
from supervisor.settings.nearest import nearest
from supervisor.wire.info import Looked

F = TypeVar("F", bound=Callable[..., Any])


def add(name: str, function: F, options: Mapping[str, Any]) -> F:
    """Register a handler with the options that it is submitted with; the function itself. Raises NameTakenError."""
    registry.register(name, function, TaskConfig.of({**options, "name": name}), spread=False)
    return function


def here(name: str, options: Mapping[str, Any]) -> Target | None:
    """What this process has registered under a name, to be submitted with these options changed.

    Raises TaskOptionError for what cannot be a name.
    """
    found = registry.find(read_name(name))
    if found is None:
        return None
    return Target(name, found.config.replace(options), found.known, found.function)


def there(name: str, looked: Looked, options: Mapping[str, Any]) -> Target:
    """What the workers have registered under it, by the broker's word. Raises UnknownHandlerError."""
    known = looked.known
    if known is None:
        near = [looked.nearest] if looked.nearest else []
        raise UnknownHandlerError(name, nearest(name, [*registry.names(), *near]))
    return Target(name, TaskConfig.of({**known.options, **options}), known)
