"""A worker's way from a payload to the call behind it, and from what was returned to its bytes."""

from __future__ import annotations

import pickle

import msgspec

from supervisor import plain, registry
from supervisor.errors import PayloadRefusedError, UnknownFunctionError
from supervisor.functions import Call, Resolver, call_of
from supervisor.internal_tasks import HANDLERS
from supervisor.policy import NO_POLICY
from supervisor.settings.nearest import did_you_mean
from supervisor.wire.call_kind import AS_JSON, BY_REFERENCE, read_header


class Opener:
    """Knows what was registered when it was made, after the ``tasks`` modules were imported, and nothing later.

    With ``json_only`` nothing is unpickled, and nothing runs but that.
    """

    def __init__(self, *, json_only: bool) -> None:
        self._json_only = json_only
        self._registered = registry.snapshot()
        self._resolver = Resolver()

    def open(self, payload: bytes, name: str) -> Call:
        """The call behind a payload. Raises UnknownFunctionError, PayloadRefusedError."""
        kind = payload[:1]
        if kind == BY_REFERENCE and not self._json_only:
            return self._resolver.unpack(payload, name)
        if self._json_only and kind != AS_JSON:
            raise PayloadRefusedError(f"the call of task {name}", "it is a pickle, and is not opened")
        try:
            named = read_header(payload)
        except ValueError as error:
            raise UnknownFunctionError(name, f"its payload makes no sense: {error}") from error
        return self._resolver.unpack(payload, name) if named is None else self._by_name(payload, *named)

    def _by_name(self, payload: bytes, name: str, start: int) -> Call:
        found = self._registered.get(name)
        if found is None and payload[:1] == AS_JSON and name in HANDLERS:
            return Call(HANDLERS[name], (), plain.load_call(payload[start:]).kwargs)
        if found is None:
            hint = did_you_mean(name, self._registered) or "nothing is registered under that name"
            raise UnknownFunctionError(name, hint)
        data = payload[start:]
        if payload[:1] == AS_JSON:
            try:
                told = plain.load_call(data)
            except msgspec.MsgspecError as error:
                raise PayloadRefusedError(f"the call of task {name}", str(error)) from error
            policy = NO_POLICY if told.bare else found.config.policy
            return Call(found.function, tuple(told.args), told.kwargs, policy, told.variables)
        args, kwargs, *rest = pickle.loads(data)
        return call_of(found.function, args, kwargs, rest, found.config.policy)
