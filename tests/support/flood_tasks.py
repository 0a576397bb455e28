"""Tasks that take, or make, much of something."""

from __future__ import annotations

import os
import time

from supervisor import task

SPAN = 60.0
_PIECE = b"x" * 65_535 + b"\n"


@task
def shout(size: int) -> int:
    """Prints so many bytes, from below Python."""
    for _ in range(size // len(_PIECE)):
        os.write(1, _PIECE)
    return size


@task
def echo(data: bytes) -> bytes:
    """What it was given."""
    return data


@task
def idle() -> None:
    """Nothing."""


@task
def storm(depth: int) -> None:
    """Forks, and so do its children, until there are 2 ** depth; none of them ends by itself."""
    for _ in range(depth):
        os.fork()
    time.sleep(SPAN)
