"""Arguments and results as JSON, for a supervisor that takes nothing else.

What JSON lacks becomes what is nearest: a tuple a list, a datetime its ISO text, bytes base64, a dataclass an object.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from supervisor.errors import SerializationError
from supervisor.hidden import HIDDEN_REASON, is_secret

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_FAULTS = (TypeError, ValueError, OverflowError, RecursionError)


class Arguments(msgspec.Struct, frozen=True, array_like=True):
    """A call, but for what is called."""

    args: list[Any]
    kwargs: dict[str, Any]
    bare: bool = False
    """Whether the errors of this call are nobody's to judge: what the task was registered with for that is left out."""
    variables: dict[str, Any] | None = None
    """Values of captured context variables, by name."""


_decode_call = msgspec.json.Decoder(Arguments).decode
JSON_ONLY = "json"
"""The value of the setting ``payloads`` that makes all of this the rule."""


def dump_call(name: str, told: Arguments, hidden: Collection[str] = ()) -> bytes:
    """Arguments as JSON; SerializationError names the one that has no such form, and tells of none that is hidden."""
    try:
        return _encode(told)
    except _FAULTS as error:
        if hidden:
            raise _explain(name, told, hidden, error) from None
        raise _explain(name, told, (), error) from error


def _explain(name: str, told: Arguments, hidden: Collection[str], error: Exception) -> SerializationError:
    positions = ((str(number), value) for number, value in enumerate(told.args))
    parts = [(f"argument {label!r}", label, value) for label, value in [*positions, *told.kwargs.items()]]
    variables = told.variables or {}
    parts += [(f"the context variable {label!r}, captured", "", value) for label, value in variables.items()]
    for part, label, value in parts:
        try:
            dump(value, f"{part} of task {name} (a {type(value).__name__})")
        except SerializationError as fault:
            return SerializationError(fault.what, HIDDEN_REASON) if is_secret(label, value, hidden) else fault
    return SerializationError(f"the arguments of task {name}", HIDDEN_REASON if hidden else str(error))


def load_call(data: bytes) -> Arguments:
    """What :func:`dump_call` wrote; msgspec.DecodeError for anything else."""
    return _decode_call(data)


def dump(value: object, what: str) -> bytes:
    """A value as JSON; SerializationError says ``what`` has no such form."""
    try:
        return _encode(value)
    except _FAULTS as error:
        raise SerializationError(what, f"it has no JSON form: {error}") from error


def load(data: bytes) -> object:
    """What :func:`dump` wrote."""
    found: object = _decode(data)
    return found
