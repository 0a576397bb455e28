"""Unix socket addresses of any length.

A socket's path may have 107 bytes. A longer one is reached through a descriptor of its folder, under
``/proc/self/fd``, which the kernel resolves like any path.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

LONGEST = 107


@contextmanager
def short_path(path: Path) -> Generator[str]:
    """A path to the same place that fits in an address, valid inside the ``with``."""
    text = os.fspath(path)
    if len(os.fsencode(text)) <= LONGEST:
        yield text
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
