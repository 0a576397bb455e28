"""The folder of uploads and results, inside the supervisor's directory: a file an upload, a file a result.

Names are made here, never taken from a request as they are. A result appears under its name only when it is
complete, so that an attempt that is killed, or one that runs a second time, leaves nothing half-written.
"""

import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import anyio

FOLDER = Path(os.environ.get("SUPERVISOR_DIR") or ".supervisor").expanduser().absolute() / "uploads"
KEPT = 24 * 3600.0
"""Seconds for which a file is kept."""


class TooLargeError(Exception):
    """An upload over the limit, in bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the file is over {limit / 1e6:,.0f} MB; send a smaller one, or raise MAX_UPLOAD")


def plain(name: str) -> str:
    """The last part of a file name, with nothing in it that a shell, a path or a header would mind."""
    return re.sub(r"[^\w.-]+", "_", Path(name).name, flags=re.ASCII).lstrip(".")[-80:] or "file"


def place(name: str) -> Path:
    """Where a file of this name lies, without a way out of the folder."""
    return FOLDER / plain(name)


async def receive(chunks: AsyncIterator[bytes], name: str, limit: int) -> Path:
    """Keep an upload as it comes in and return its path; over `limit` bytes, `TooLargeError` and none."""
    await anyio.to_thread.run_sync(_make_folder)
    path = place(f"{secrets.token_hex(8)}-{plain(name)}")
    try:
        await _copy(chunks, path, limit)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


async def _copy(chunks: AsyncIterator[bytes], path: Path, limit: int) -> None:
    size = 0
    async with await anyio.open_file(path, "xb") as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > limit:
                raise TooLargeError(limit)
            await file.write(chunk)


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes its name when the block ends well."""
    _make_folder()
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        yield file
    part.replace(path)


def prune(kept: float = KEPT) -> None:
    """Delete what is older than `kept` seconds."""
    for path in FOLDER.iterdir():
        if path.stat().st_mtime < time.time() - kept:
            path.unlink(missing_ok=True)


def _make_folder() -> None:
    FOLDER.parent.mkdir(mode=0o700, exist_ok=True)
    FOLDER.mkdir(mode=0o700, exist_ok=True)
