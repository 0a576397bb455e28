"""Context variables whose values travel with what is submitted, and are set again while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from supervisor.errors import NameTakenError
from supervisor.log import log

_MISSING = object()
_captured: dict[str, ContextVar[Any]] = {}


def capture(*variables: ContextVar[Any]) -> None:
    """Have the values of these context variables travel with every submit of this process, and set while tasks run.

    To be called where both sides see it: in a module that is named in ``tasks`` and that the web application imports
    too. A variable that is not set where something is submitted is not set where it runs. Each goes by its name;
    raises NameTakenError when another variable has that. A value that cannot cross is a SerializationError at submit;
    with ``payloads = "json"`` it has to be plain data.
    """
    for variable in variables:
        if not isinstance(variable, ContextVar):
            raise TypeError(f"{variable!r} is no ContextVar")
        before = _captured.get(variable.name)
        if before is not None and before is not variable:
            raise NameTakenError(variable.name, repr(before), repr(variable))
        _captured[variable.name] = variable


def values() -> dict[str, Any] | None:
    """The values that are set here and now; None where there are none."""
    if not _captured:
        return None
    found = {name: variable.get(_MISSING) for name, variable in _captured.items()}
    return {name: value for name, value in found.items() if value is not _MISSING} or None


def restore(found: Mapping[str, Any]) -> None:
    """Set them, in the context that runs."""
    for name, value in found.items():
        variable = _captured.get(name)
        if variable is None:
            log.warning(
                "the context variable %r was captured at submit, and this code captures none of that name", name
            )
        else:
            variable.set(value)
