"""The files that hold large arguments and results, beside the journal. (Apart from what is in them: the broker removes
these files, and is to have no way to open a pickle.)
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from supervisor.directory import Directory
from supervisor.errors import JournalFullError
from supervisor.ids import to_text

ARGUMENTS = "args"
RESULT = "result"
_FULL = (errno.ENOSPC, errno.EDQUOT)


def item_suffix(lease: int, number: int) -> str:
    """The suffix of the file of one item of a stream: each attempt writes its own."""
    return f"item-{lease}-{number}"


def path_of(directory: Directory, task_id: bytes, suffix: str) -> Path:
    """Where a task's payload lies."""
    return directory.payloads / f"{to_text(task_id)}.{suffix}"


def write_file(path: Path, data: bytes, *, durable: bool) -> None:
    """Write a payload so that nobody ever sees half of it; ``durable`` also survives a loss of power.

    Raises JournalFullError when the disk has no room for it.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _write(temporary, data, durable=durable)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno in _FULL:
            raise JournalFullError(f"a payload of {len(data):,} bytes: {error.strerror}") from error
        raise
    temporary.replace(path)
    if durable:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _write(path: Path, data: bytes, *, durable: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        if durable:
            file.flush()
            os.fsync(file.fileno())
