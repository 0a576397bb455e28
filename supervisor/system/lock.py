"""The lock that makes a supervisor the only one on its directory.

An fcntl lock, not flock: flock belongs to the open file and would be inherited by every forked child, so a task's
stray daemon could hold the directory for ever. The lock is given up when its holder dies, however it dies.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from supervisor.errors import AlreadyRunningError

_FLOCK = struct.Struct("hhqqi4x")


def holder(path: Path) -> int | None:
    """The pid that holds the lock, or None when nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        question = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, question))
        return pid if kind != fcntl.F_UNLCK else None
    finally:
        os.close(descriptor)


_LOOK_SECONDS = 0.01


@contextmanager
def held(path: Path, timeout: float) -> Generator[None]:
    """Hold a lock that everybody keeps for a moment only; AlreadyRunningError when it is not free in time."""
    with _taken(path, time.monotonic() + timeout):
        yield


def _taken(path: Path, until: float) -> DirectoryLock:
    while True:
        try:
            return DirectoryLock(path)
        except AlreadyRunningError:
            if time.monotonic() > until:
                raise
        time.sleep(_LOOK_SECONDS)


class DirectoryLock:
    """Holds ``path`` locked until closed or until the process ends.

    Opening and closing the file a second time in the holder would drop the lock (fcntl's rule), so nobody else in
    that process may touch it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise AlreadyRunningError(str(path.parent), holder(path)) from None

    def close(self) -> None:
        """Give the lock up."""
        os.close(self._descriptor)

    def __enter__(self) -> DirectoryLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
