"""Large arguments and results, in files beside the journal.

Over ``inline_limit`` a payload travels by file: the client writes the arguments before it submits, the worker the
result before it reports, and neither the socket nor the broker's memory ever holds them. The broker's sweep removes
them with their task.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path

from supervisor.directory import Directory
from supervisor.errors import MessageTooLargeError, SerializationError
from supervisor.functions import dump_by_value
from supervisor.ids import to_text
from supervisor.settings import Settings
from supervisor.wire.messages import Files, Grant

ARGUMENTS = "args"
RESULT = "result"


def path_of(directory: Directory, task_id: bytes, suffix: str) -> Path:
    """Where a task's payload lies."""
    return directory.payloads / f"{to_text(task_id)}.{suffix}"


def write_file(path: Path, data: bytes, *, durable: bool) -> None:
    """Write a payload so that nobody ever sees half of it; ``durable`` also survives a loss of power."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    temporary.replace(path)
    if durable:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class PayloadStore:
    """A worker's way to arguments and results."""

    def __init__(self, settings: Settings) -> None:
        self._directory = Directory(settings.dir)
        self._inline = settings.inline_limit
        self._limit = settings.payload_limit
        self._durable = settings.durability == "full"

    def payload(self, grant: Grant) -> bytes:
        """The payload of a granted task."""
        if grant.files & Files.ARGUMENTS:
            return path_of(self._directory, grant.id, ARGUMENTS).read_bytes()
        return grant.payload

    def store(self, value: object, grant: Grant) -> tuple[bytes, int]:
        """A result as it is reported: (bytes, files). Raises SerializationError, MessageTooLargeError."""
        data = dump_result(value, grant.name)
        if len(data) <= self._inline:
            return data, Files.NONE
        if len(data) > self._limit:
            raise MessageTooLargeError(len(data), self._limit)
        write_file(path_of(self._directory, grant.id, RESULT), data, durable=self._durable)
        return b"", Files.RESULT


def dump_result(value: object, name: str) -> bytes:
    """A result, serialised."""
    try:
        data = pickle.dumps(value, protocol=5)
        return dump_by_value(value) if b"__main__" in data else data
    except Exception:  # noqa: BLE001  pickling runs code of the value's classes, which may raise anything
        try:
            return dump_by_value(value)
        except Exception as error:
            what = f"the result of task {name} (a {type(value).__name__})"
            raise SerializationError(what, f"{type(error).__name__}: {error}") from error


def load_result(data: bytes) -> object:
    """What :func:`dump_result` wrote."""
    return pickle.loads(data)
