"""How functions and their arguments cross from the process that submits to the one that runs.

A payload is one byte that says how the function travels, then a pickle. Module-level functions travel by their
import path; closures, lambdas and what lives in ``__main__`` travel by value (cloudpickle: kept by the people behind
Ray and Dask, the standard for this). The broker never opens a payload.

So does the task's policy (after which errors it runs again): the one that its decorator gave it is found where the
function is, and only another is packed, behind the arguments.
"""

from __future__ import annotations

import importlib
import inspect
import pickle
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import cloudpickle
from msgspec import Struct

from supervisor import captured
from supervisor.errors import SerializationError, UnknownFunctionError
from supervisor.hidden import HIDDEN_REASON, is_secret
from supervisor.policy import NO_POLICY, Policy
from supervisor.wire.call_kind import BY_REFERENCE, BY_VALUE

Function = Callable[..., Any]
_UNPORTABLE = b"__main__"


class Call(Struct, frozen=True, eq=False):
    """A function with its arguments, unpacked."""

    function: Function
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    policy: Policy = NO_POLICY
    variables: dict[str, Any] | None = None
    """Values of captured context variables, by name; None for none."""


def reference_of(function: Function) -> str | None:
    """``module:qualname`` when importing that gives back this very function, else None."""
    return _refer(function)[0]


def _refer(function: Function) -> tuple[str | None, object]:
    """That, and the task or function that is found there."""
    module, qualname = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    if not module or module == "__main__" or "<" in qualname:
        return None, None
    found: object = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return (f"{module}:{qualname}", found) if unwrap(found) is function else (None, None)


def policy_of(found: object) -> Policy:
    """The policy of a task; none for a plain function."""
    config = getattr(found, "config", None)
    policy = getattr(config, "policy", NO_POLICY)
    return policy if isinstance(policy, Policy) else NO_POLICY


def unwrap(found: object) -> object:
    """The plain function inside a task, or what was given."""
    return getattr(found, "__supervisor_function__", found)


def name_of(function: Function) -> str:
    """The name that a function goes by where it was given none: ``module.qualname``."""
    module = getattr(function, "__module__", None) or "?"
    return f"{module}.{getattr(function, '__qualname__', type(function).__name__)}"


class Packing:
    """How calls of a function are packed: found out once, for as many calls as there are. ``name`` is the task's."""

    def __init__(self, function: Function, name: str, policy: Policy = NO_POLICY, hidden: Collection[str] = ()) -> None:
        self._function = function
        self._name = name
        self._hidden = hidden
        self._policy = policy
        self._reference, found = _refer(function)
        known = policy_of(found)
        self._own = () if policy is known or policy == known else (policy,)

    @property
    def by_reference(self) -> bool:
        """Whether the function travels by its import path."""
        return self._reference is not None

    def pack(self, args: Sequence[object], kwargs: Mapping[str, object]) -> bytes:
        """The payload of a call; SerializationError names the argument that cannot cross."""
        variables = captured.values()
        own = self._own if variables is None else (*(self._own or (None,)), variables)
        try:
            if self._reference is not None:
                return BY_REFERENCE + _dump((self._reference, tuple(args), dict(kwargs), *own))
            return BY_VALUE + dump_by_value((self._function, tuple(args), dict(kwargs), *own))
        except Exception as error:
            call = Call(self._function, tuple(args), dict(kwargs), self._policy, variables)
            if self._hidden:
                raise _explain(call, self._name, error, self._hidden) from None
            raise _explain(call, self._name, error) from error


def pack_arguments(call: Call, name: str, hidden: Collection[str] = ()) -> bytes:
    """The arguments of a call whose function goes by name; SerializationError names the one that cannot cross."""
    own: tuple[object, ...] = (call.policy,) if call.policy else ()
    if call.variables is not None:
        own = (*(own or (None,)), call.variables)
    try:
        return _dump((call.args, call.kwargs, *own))
    except Exception as error:
        if hidden:
            raise _explain(call, name, error, hidden) from None
        raise _explain(call, name, error) from error


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


def _explain(call: Call, name: str, error: Exception, hidden: Collection[str] = ()) -> SerializationError:
    for label, value in _named(call):
        fault = _fault(value)
        if fault:
            what = f"argument {label!r} of task {name} (a {type(value).__name__})"
            return SerializationError(what, HIDDEN_REASON if is_secret(label, value, hidden) else fault)
    for variable, value in (call.variables or {}).items():
        if fault := _fault(value):
            what = f"the context variable {variable!r}, captured for task {name} (a {type(value).__name__})"
            return SerializationError(what, fault)
    if fault := _fault(call.policy):
        return SerializationError(f"the error_handler, or an error type, of task {name}", fault)
    reason = HIDDEN_REASON if hidden else f"{type(error).__name__}: {error}"
    return SerializationError(f"the function of task {name}", reason)


def _fault(value: object) -> str:
    """Why a value cannot cross; empty for one that can."""
    try:
        dump_by_value(value)
    except Exception as fault:  # noqa: BLE001  see pack
        return f"{type(fault).__name__}: {fault}"
    return ""


def _named(call: Call) -> list[tuple[str, object]]:
    try:
        signature = inspect.signature(call.function)
        bound = signature.bind(*call.args, **call.kwargs)
    except (TypeError, ValueError):
        return [*((str(number), value) for number, value in enumerate(call.args)), *call.kwargs.items()]
    found: list[tuple[str, object]] = []
    for name, value in bound.arguments.items():
        named = signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD
        found += value.items() if named else [(name, value)]
    return found


def call_of(function: Function, args: tuple[Any, ...], kwargs: dict[str, Any], rest: list[Any], own: Policy) -> Call:
    """A call by what was packed of it. ``rest`` is its policy (None, or nothing, for its own), then its variables."""
    if not rest:
        return Call(function, args, kwargs, own)
    return Call(function, args, kwargs, own if rest[0] is None else rest[0], rest[1] if len(rest) > 1 else None)


class Resolver:
    """Unpacks payloads in a worker. Functions that were found once are remembered."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[Function, Policy]] = {}

    def unpack(self, payload: bytes, name: str) -> Call:
        """The call behind a payload; UnknownFunctionError when its function cannot be imported."""
        kind, data = payload[:1], memoryview(payload)[1:]
        if kind == BY_REFERENCE:
            reference, args, kwargs, *rest = pickle.loads(data)
            function, own = self._found.get(reference) or self._find(reference, name)
            return call_of(function, args, kwargs, rest, own)
        if kind == BY_VALUE:
            function, args, kwargs, *rest = pickle.loads(data)
            return call_of(function, args, kwargs, rest, NO_POLICY)
        raise UnknownFunctionError(name, f"its payload is of unknown kind {kind!r}")

    def _find(self, reference: str, name: str) -> tuple[Function, Policy]:
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
        self._found[reference] = function, policy_of(found)
        return self._found[reference]
