"""Arguments and results as JSON, for a supervisor that takes nothing else.

What JSON lacks becomes what is nearest: a tuple a list, a datetime its ISO text, bytes base64, a dataclass an object.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from supervisor.errors import SerializationError

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_FAULTS = (TypeError, ValueError, OverflowError, RecursionError)


class Arguments(msgspec.Struct, frozen=True, array_like=True):
    """A call, but for what is called."""

    args: list[Any]
    kwargs: dict[str, Any]
    bare: bool = False
    """Whether the errors of this call are nobody's to judge: what the task was registered with for that is left out."""


_decode_call = msgspec.json.Decoder(Arguments).decode
JSON_ONLY = "json"
"""The value of the setting ``payloads`` that makes all of this the rule."""


def dump_call(name: str, args: Sequence[object], kwargs: dict[str, Any], *, bare: bool = False) -> bytes:
    """Arguments as JSON; SerializationError names the one that has no such form."""
    try:
        return _encode(Arguments(list(args), kwargs, bare))
    except _FAULTS as error:
        for label, value in [*((str(number), value) for number, value in enumerate(args)), *kwargs.items()]:
            dump(value, f"argument {label!r} of task {name} (a {type(value).__name__})")
        raise SerializationError(f"the arguments of task {name}", str(error)) from error


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
