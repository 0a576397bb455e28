"""The directory, and who may look at what is in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from supervisor.cli.checks.finding import Finding, fault, ok, warning
from supervisor.directory import Directory
from supervisor.errors import SettingsError
from supervisor.wire.address import LONGEST

_KEY_BYTES = 32
_OTHERS = 0o077


def check(directory: Directory) -> Iterator[Finding]:
    """The directory, the folders and files in it, and whether its sockets can be reached."""
    yield from _reach(directory)
    if not directory.path.exists():
        yield _to_be_made(directory.path)
        return
    try:
        directory.check(os.geteuid())
    except SettingsError as error:
        yield fault("directory", str(error))
    except OSError as error:
        yield fault("directory", f"{directory} cannot be looked at: {error.strerror}")
        return
    else:
        yield _writable(directory.path)
    yield from _key(directory.key)
    yield from _all_closed(directory)


def _reach(directory: Directory) -> Iterator[Finding]:
    length = len(os.fsencode(directory.socket))
    if length > LONGEST:
        yield warning(
            "socket",
            f"the path of the socket has {length} bytes, over the {LONGEST} that an address may have: our clients"
            " reach it all the same, other programs do not; choose a shorter dir",
        )
    else:
        yield ok("socket", f"the path of the socket has {length} bytes of the {LONGEST} that an address may have")


def _to_be_made(path: Path) -> Finding:
    there = next(parent for parent in path.parents if parent.exists())
    if os.access(there, os.W_OK | os.X_OK):
        return ok("directory", f"{path} does not exist yet; it will be made")
    return fault("directory", f"{path} does not exist, and we may not make it: {there} is not writable")


def _writable(path: Path) -> Finding:
    if not os.access(path, os.W_OK | os.X_OK):
        return fault("directory", f"{path} is not writable")
    return ok("directory", f"{path} is closed to others (mode {_mode(path) or 0:04o})")


def _key(path: Path) -> Iterator[Finding]:
    try:
        size = len(path.read_bytes())
    except FileNotFoundError:
        return
    except OSError as error:
        yield fault("key", f"{path} cannot be read: {error.strerror}")
        return
    if size < _KEY_BYTES:
        yield fault("key", f"{path} holds {size} bytes in the place of {_KEY_BYTES}; stop the supervisor and remove it")


def _all_closed(directory: Directory) -> Iterator[Finding]:
    """Whether what is in it, as far as it exists, is closed to others."""
    there = [(subject, path, mode) for subject, path in _private(directory) if (mode := _mode(path)) is not None]
    for subject, path, mode in there:
        if mode & _OTHERS:
            wanted = mode & ~_OTHERS
            yield fault(subject, f"{path} is open to other users (mode {mode:04o}); run: chmod {wanted:04o} {path}")
    closed = [path.name for _, path, mode in there if not mode & _OTHERS]
    if closed:
        yield ok("directory", f"closed to others in it: {', '.join(closed)}")


def _private(directory: Directory) -> Iterator[tuple[str, Path]]:
    yield "key", directory.key
    yield "socket", directory.socket
    yield "socket", directory.control
    for suffix in ("", "-wal", "-shm"):
        yield "journal", directory.journal.with_name(directory.journal.name + suffix)
    yield "payloads", directory.payloads
    yield "owners", directory.owners


def _mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.lstat().st_mode)
    except OSError:
        return None
