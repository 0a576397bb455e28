"""How functions and their arguments cross from the process that submits to the one that runs.

A payload is one byte that says how the function travels, then a pickle. Module-level functions travel by their
import path; closures, lambdas and what lives in ``__main__`` travel by value (cloudpickle: kept by the people behind
Ray and Dask, the standard for this). The broker never opens a payload.
"""

from __future__ import annotations

import importlib
import inspect
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cloudpickle

from supervisor.errors import SerializationError, UnknownFunctionError

Function = Callable[..., Any]
BY_REFERENCE = b"R"
BY_VALUE = b"V"
_UNPORTABLE = b"__main__"


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments, unpacked."""

    function: Function
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def reference_of(function: Function) -> str | None:
    """``module:qualname`` when importing that gives back this very function, else None."""
    module, qualname = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    if not module or module == "__main__" or "<" in qualname:
        return None
    found: object = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return f"{module}:{qualname}" if unwrap(found) is function else None


def unwrap(found: object) -> object:
    """The plain function inside a task, or what was given."""
    return getattr(found, "__supervisor_function__", found)


def name_of(function: Function) -> str:
    """The name that a function goes by where it was given none: ``module.qualname``."""
    module = getattr(function, "__module__", None) or "?"
    return f"{module}.{getattr(function, '__qualname__', type(function).__name__)}"


def pack(function: Function, args: Sequence[object], kwargs: Mapping[str, object], name: str) -> bytes:
    """The payload of a call; SerializationError names the argument that cannot cross."""
    reference = reference_of(function)
    try:
        if reference is not None:
            return BY_REFERENCE + _dump((reference, tuple(args), dict(kwargs)))
        return BY_VALUE + dump_by_value((function, tuple(args), dict(kwargs)))
    except Exception as error:
        raise _explain(function, args, kwargs, name, error) from error


def _dump(value: object) -> bytes:
    try:
        data = pickle.dumps(value, protocol=5)
    except Exception:  # noqa: BLE001  a lambda among the arguments, say: cloudpickle can, or raises a better error
        return dump_by_value(value)
    # A class of __main__ pickles as a name that means another module in the worker: by value then.
    return dump_by_value(value) if _UNPORTABLE in data else data


def dump_by_value(value: object) -> bytes:
    """Serialise with the functions and classes that cannot be imported elsewhere."""
    data: bytes = cloudpickle.dumps(value, protocol=5)
    return data


def _explain(
    function: Function, args: Sequence[object], kwargs: Mapping[str, object], name: str, error: Exception
) -> SerializationError:
    for label, value in _labelled(function, args, kwargs):
        try:
            dump_by_value(value)
        except Exception as fault:  # noqa: BLE001  see pack
            what = f"argument {label!r} of task {name} (a {type(value).__name__})"
            return SerializationError(what, f"{type(fault).__name__}: {fault}")
    return SerializationError(f"the function of task {name}", f"{type(error).__name__}: {error}")


def _labelled(function: Function, args: Sequence[object], kwargs: Mapping[str, object]) -> list[tuple[str, object]]:
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return [*((str(number), value) for number, value in enumerate(args)), *kwargs.items()]
    return list(bound.arguments.items())


class Resolver:
    """Unpacks payloads in a worker. Functions that were found once are remembered."""

    def __init__(self) -> None:
        self._found: dict[str, Function] = {}

    def unpack(self, payload: bytes, name: str) -> Call:
        """The call behind a payload; UnknownFunctionError when its function cannot be imported."""
        kind, data = payload[:1], memoryview(payload)[1:]
        if kind == BY_REFERENCE:
            reference, args, kwargs = pickle.loads(data)
            return Call(self._found.get(reference) or self._find(reference, name), args, kwargs)
        if kind == BY_VALUE:
            function, args, kwargs = pickle.loads(data)
            return Call(function, args, kwargs)
        raise UnknownFunctionError(name, f"its payload is of unknown kind {kind!r}")

    def _find(self, reference: str, name: str) -> Function:
        module, _, qualname = reference.partition(":")
        try:
            found: object = importlib.import_module(module)
        except ImportError as error:
            raise UnknownFunctionError(name, f"module {module} cannot be imported: {error}") from error
        for part in qualname.split("."):
            found = getattr(found, part, None)
        function = unwrap(found)
        if not callable(function):
            raise UnknownFunctionError(name, f"module {module} has no function {qualname}")
        self._found[reference] = function
        return function
