"""Metrics as a file, for the textfile collector of the node exporter."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_MODE = 0o644
"""The node exporter is another user, and there is nothing secret in it."""


def write(path: Path, text: bytes) -> None:
    """Replace the file at once: a reader sees the old one or the new one. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")  # no name that ends in .prom, so nobody reads it
    try:
        with temporary.open("wb") as file:
            os.fchmod(file.fileno(), _MODE)
            file.write(text)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
