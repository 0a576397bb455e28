"""The arguments of a task that was submitted, opened in the process that asks for them, as results are."""

from __future__ import annotations

import importlib
import pickle
from typing import Any

import msgspec

from supervisor import plain, registry
from supervisor.errors import PayloadRefusedError, UnknownFunctionError
from supervisor.functions import Function, unwrap
from supervisor.wire.call_kind import AS_JSON, BY_REFERENCE, BY_VALUE, read_header

Opened = tuple[Function | None, tuple[Any, ...], dict[str, Any]]
"""The function, where this process can find it, and what it is called with."""


def open_arguments(payload: bytes, name: str, *, json_only: bool) -> Opened:
    """What is in a payload. With ``json_only`` nothing is unpickled: PayloadRefusedError."""
    if json_only and payload[:1] != AS_JSON:
        raise PayloadRefusedError(f"the call of task {name}", "it is a pickle, and is not opened")
    try:
        named = read_header(payload)
    except ValueError as error:
        raise UnknownFunctionError(name, f"its payload makes no sense: {error}") from error
    if named is None:
        return _unnamed(payload, name)
    known, start = named
    found = registry.find(known)
    function = found.function if found is not None else None
    if payload[:1] == AS_JSON:
        try:
            told = plain.load_call(payload[start:])
        except msgspec.MsgspecError as error:
            raise PayloadRefusedError(f"the call of task {name}", str(error)) from error
        return function, tuple(told.args), told.kwargs
    args, kwargs, *_ = pickle.loads(payload[start:])
    return function, args, kwargs


def _unnamed(payload: bytes, name: str) -> Opened:
    kind, data = payload[:1], memoryview(payload)[1:]
    if kind == BY_REFERENCE:
        reference, args, kwargs, *_ = pickle.loads(data)
        return _find(reference), args, kwargs
    if kind == BY_VALUE:
        function, args, kwargs, *_ = pickle.loads(data)
        return function, args, kwargs
    raise UnknownFunctionError(name, f"its payload is of unknown kind {kind!r}")


def _find(reference: str) -> Function | None:
    """The function behind an import path; None where it cannot be had here."""
    module, _, qualname = reference.partition(":")
    try:
        found: object = importlib.import_module(module)
    except Exception:  # noqa: BLE001  importing runs code of the application's, which is at home elsewhere
        return None
    for part in qualname.split("."):
        found = getattr(found, part, None)
    function = unwrap(found)
    return function if callable(function) else None
