"""The context of the task that runs here: what it reads of it, and what it puts in, on its way to the journal."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import msgspec

from supervisor.core import notes
from supervisor.errors import ContextError
from supervisor.wire.messages import LONGEST_CONTEXT
from supervisor.wire.talk import Puts, encode_puts

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_FAULTS = (TypeError, ValueError, OverflowError, RecursionError)


class Context:
    """``data``: what it is at the beginning of the attempt, as JSON. ``send`` takes what was put in, for good.

    Threads share it. A process that the task forks has a copy, and what it puts in is added to the same context.
    """

    def __init__(self, data: bytes, send: Callable[[bytes], None]) -> None:
        self._whole: notes.Notes = _decode(data) if data else {}
        self._send = send
        self._waiting: Puts = []
        self._own()

    def _own(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()  # reentrant: a signal may raise in the middle, and its handler's task go on here

    def _enter(self) -> AbstractContextManager[object]:
        if self._pid != os.getpid():
            self._own()  # the lock of the process that we were forked from may be held by one of its threads
            self._waiting = []
        return self._lock

    def set(self, key: str, value: object, *, auto_commit: bool) -> None:
        """Put a value at ``a.b.c``. Raises ContextError."""
        if not isinstance(key, str):
            raise ContextError(str(key), "a key is text, with dots between its parts")
        try:
            told = _decode(_encode(value))
        except _FAULTS as error:
            raise ContextError(key, f"a {type(value).__name__} is no plain data: {error}") from error
        with self._enter():
            try:
                changed = notes.put(self._whole, key, told)
            except ValueError as fault:
                raise ContextError(key, str(fault)) from None
            size = len(_encode(changed))
            if size > LONGEST_CONTEXT:
                sizes = f"the context would take {size:,} bytes as JSON, and may take {LONGEST_CONTEXT:,}"
                raise ContextError(key, f"{sizes}; keep large data in a file and its name here")
            self._whole = changed
            self._waiting.append((key, told))
            if auto_commit:
                self.commit()

    def get(self, key: str | None, default: object) -> Any:
        """What is at ``a.b.c``, or all of it; a copy."""
        found = self._whole if key is None else notes.get(self._whole, key, default)
        return _decode(_encode(found)) if isinstance(found, dict | list) and found is not default else found

    def commit(self) -> None:
        """Send what was put in since the last time."""
        with self._enter():
            if self._waiting:
                self._send(encode_puts(self._waiting))
                self._waiting = []
