"""Arguments that nobody is shown."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from supervisor.errors import TaskOptionError
from supervisor.settings.nearest import did_you_mean

HIDDEN_REASON = "it is hidden, so the reason is not told"


class Hidden(str):
    """What stands for a hidden argument."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


HIDDEN = Hidden("<hidden>")
"""What is shown in the place of an argument that is hidden."""


def check_names(function: Callable[..., Any], hidden: Collection[str]) -> None:
    """TaskOptionError for a name that is no parameter of the function: a slip here would show what is to be hidden."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values()):
        return
    for name in hidden:
        if name not in parameters:
            hint = did_you_mean(name, sorted(parameters)) or f"it has {', '.join(parameters) or 'none'}"
            raise TaskOptionError("hidden", name, f"a parameter of {function.__qualname__}; {hint}")


def by_name(
    function: Callable[..., Any] | None, args: Sequence[Any], kwargs: Mapping[str, Any], hidden: Collection[str]
) -> dict[str, Any]:
    """The arguments of a call by parameter name, and the hidden ones hidden.

    Where the names of positional ones are not known, they go by their numbers, and where anything is hidden, all of
    them are. Of one that is a mapping the items are hidden too: it may be the data that a handler was given.
    """
    named = _bind(function, args, kwargs)
    if named is None:
        masked = [HIDDEN if hidden else value for value in args]
        named = {**{str(number): value for number, value in enumerate(masked)}, **kwargs}
    return {name: _mask(name, value, hidden) for name, value in named.items()} if hidden else named


def _bind(function: Callable[..., Any] | None, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
    if function is None:
        return None if args else dict(kwargs)
    try:
        signature = inspect.signature(function)
        bound = signature.bind(*args, **kwargs)
    except (TypeError, ValueError):
        return None
    found: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            found |= value
        else:
            found[name] = value
    return found


def is_secret(name: str, value: object, hidden: Collection[str]) -> bool:
    """Whether an error about this argument is not to tell of it. One that goes by its number may be any."""
    return bool(hidden) and (name in hidden or name.isdigit() or _has(value, hidden))


def _has(value: object, hidden: Collection[str]) -> bool:
    """Whether there is something hidden among the items of this."""
    if isinstance(value, tuple):
        return any(_has(each, hidden) for each in value)
    return isinstance(value, Mapping) and any(key in hidden for key in value)


def _mask(name: str, value: object, hidden: Collection[str]) -> object:
    if name in hidden:
        return HIDDEN
    if isinstance(value, Mapping) and _has(value, hidden):
        return {key: HIDDEN if key in hidden else each for key, each in value.items()}
    return value
