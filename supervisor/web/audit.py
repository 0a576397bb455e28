"""Who did what here: a file of JSON lines in the supervisor's directory, which outlives every process."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import anyio.to_thread
import msgspec

from supervisor.directory import Directory
from supervisor.log import log

_LARGEST = 4 << 20
"""Bytes of the file, beside one older."""
_MOST_OF_STRANGERS = 20
_MINUTE = 60.0
_NAME = "web-audit.jsonl"
_encode = msgspec.json.Encoder().encode


class Entry(msgspec.Struct, kw_only=True):
    """One action, or one that was refused."""

    at: float = msgspec.field(default_factory=time.time)
    user: str
    role: str
    address: str
    action: str
    target: str
    status: int
    outcome: str
    """``done``, ``refused`` or ``failed``."""
    detail: str = ""


class _Strangers:
    """Refused requests of those who have no role: so many a minute are kept, lest they push out what was done."""

    def __init__(self) -> None:
        self._since = self._count = 0.0

    def is_room(self) -> bool:
        """Whether one more is kept."""
        now = time.monotonic()
        if now - self._since >= _MINUTE:
            self._since, self._count = now, 0
        self._count += 1
        return self._count <= _MOST_OF_STRANGERS


class Audit:
    """Written by all web workers at once: each entry is one append, which the kernel does not split."""

    def __init__(self, directory: Directory) -> None:
        self._path = directory.path / _NAME
        self._older = directory.path / f"{_NAME}.1"
        self._strangers = _Strangers()

    async def write(self, entry: Entry) -> None:
        """Keep an entry. One that cannot be kept is logged as an error, with the reason."""
        log.info(
            "web: %r (%s, %s) %s %r: %s",  # both may be anything that a stranger sends, lines of a log too
            entry.user,
            entry.role,
            entry.address,
            entry.action,
            entry.target,
            entry.outcome,
        )
        if entry.role or self._strangers.is_room():
            await anyio.to_thread.run_sync(self._append, _encode(entry) + b"\n")

    def _append(self, line: bytes) -> None:
        try:
            self._turn_over()
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError as error:
            log.error("web: the action cannot be written to %s: %s: %s", self._path, error, line.decode())

    def _turn_over(self) -> None:
        """Put a file that is large enough aside: once, whoever else is about to."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            if os.fstat(descriptor).st_size <= _LARGEST:
                return
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Another process may have been faster: then the path is that of a new file, which stays.
            if self._path.exists() and self._path.stat().st_ino == os.fstat(descriptor).st_ino:
                self._path.replace(self._older)
        finally:
            os.close(descriptor)

    def read(self, most: int, skip: int) -> list[Entry]:
        """Entries, the latest first, but for the first ``skip``."""
        found: list[Entry] = []
        for line in self._backwards():
            if skip:
                skip -= 1
                continue
            if len(found) == most:
                break
            try:
                found.append(msgspec.json.decode(line, type=Entry))
            except msgspec.MsgspecError:
                continue  # half a line: the disk was full
        return found

    def _backwards(self) -> Iterator[bytes]:
        for path in (self._path, self._older):
            yield from reversed(_lines(path))


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines()
    except OSError:
        return []
