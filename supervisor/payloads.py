"""Large arguments and results, in files beside the journal.

Over ``inline_limit`` a payload travels by file: the client writes the arguments before it submits, the worker the
result before it reports, and neither the socket nor the broker's memory ever holds them. The broker's sweep removes
them with their task.
"""

from __future__ import annotations

import pickle

from supervisor import plain
from supervisor.directory import Directory
from supervisor.errors import MessageTooLargeError, PayloadRefusedError, SerializationError
from supervisor.functions import dump_by_value
from supervisor.payload_files import ARGUMENTS, RESULT, item_suffix, path_of, write_file
from supervisor.settings import Settings
from supervisor.wire.messages import Files, Grant
from supervisor.wire.talks import Item

_NONE = pickle.dumps(None, protocol=5)
_PICKLE = b"\x80"
"""What every pickle begins with since protocol 2, and no JSON does."""


class PayloadStore:
    """A worker's way to arguments and results."""

    def __init__(self, settings: Settings) -> None:
        self._directory = Directory(settings.dir)
        self._inline = settings.inline_limit
        self._limit = settings.payload_limit
        self._durable = settings.durability == "full"
        self._json = settings.payloads == plain.JSON_ONLY

    def payload(self, grant: Grant) -> bytes:
        """The payload of a granted task."""
        if grant.files & Files.ARGUMENTS:
            return path_of(self._directory, grant.id, ARGUMENTS).read_bytes()
        return grant.payload

    def store(self, value: object, grant: Grant) -> tuple[bytes, int]:
        """A result as it is reported: (bytes, files). Raises SerializationError, MessageTooLargeError."""
        data = dump_result(value, grant.name, json_only=self._json)
        if len(data) <= self._inline:
            return data, Files.NONE
        self._write(grant, RESULT, data)
        return b"", Files.RESULT

    def item(self, value: object, grant: Grant, number: int) -> Item:
        """What a task yields, as it is sent. Raises SerializationError, MessageTooLargeError."""
        data = dump_result(value, grant.name, json_only=self._json, what=f"item {number}")
        if len(data) <= self._inline:
            return Item(grant.lease, number, data)
        self._write(grant, item_suffix(grant.lease, number), data)
        return Item(grant.lease, number, b"", file=True)

    def _write(self, grant: Grant, suffix: str, data: bytes) -> None:
        if len(data) > self._limit:
            raise MessageTooLargeError(len(data), self._limit)
        write_file(path_of(self._directory, grant.id, suffix), data, durable=self._durable)


def dump_result(value: object, name: str, *, json_only: bool = False, what: str = "the result") -> bytes:
    """A result, serialised."""
    if value is None and not json_only:
        return _NONE
    if json_only:
        return plain.dump(value, f"{what} of task {name} (a {type(value).__name__})")
    try:
        data = pickle.dumps(value, protocol=5)
        return dump_by_value(value) if b"__main__" in data else data
    except Exception:  # noqa: BLE001  pickling runs code of the value's classes, which may raise anything
        try:
            return dump_by_value(value)
        except Exception as error:
            whose = f"{what} of task {name} (a {type(value).__name__})"
            raise SerializationError(whose, f"{type(error).__name__}: {error}") from error


def load_result(data: bytes, name: str, *, json_only: bool = False) -> object:
    """What :func:`dump_result` wrote; PayloadRefusedError for a pickle where there must be none.

    The first byte tells them apart, for results may be older than the setting.
    """
    if data[:1] != _PICKLE:
        return plain.load(data)
    if json_only:
        raise PayloadRefusedError(f"the result of task {name}", "it is a pickle from before, and is not opened")
    return pickle.loads(data)
