"""Who did what here: a file of JSON lines in the supervisor's directory, which outlives every process."""

from __future__ import annotations

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


class Audit:
    """Written by all web workers at once: each entry is one append, which the kernel does not split."""

    def __init__(self, directory: Directory) -> None:
        self._path = directory.path / _NAME
        self._older = directory.path / f"{_NAME}.1"

    async def write(self, entry: Entry) -> None:
        """Keep an entry. One that cannot be kept is logged as an error, with the reason."""
        log.info(
            "web: %s (%s, %s) %s %s: %s",
            entry.user,
            entry.role,
            entry.address,
            entry.action,
            entry.target,
            entry.outcome,
        )
        await anyio.to_thread.run_sync(self._append, _encode(entry) + b"\n")

    def _append(self, line: bytes) -> None:
        try:
            if self._path.exists() and self._path.stat().st_size > _LARGEST:
                self._path.replace(self._older)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError as error:
            log.error("web: the action cannot be written to %s: %s: %s", self._path, error, line.decode())

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
