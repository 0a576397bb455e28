"""A wall clock that jumps, for the processes of a tree alone: libfaketime answers for the kernel, from a file.

The monotonic clock, and that of the tests, stay what they are.
"""

from __future__ import annotations

import os
from pathlib import Path

_PLACES = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
)
LIBRARY = next((place for place in _PLACES if os.path.exists(place)), "")
"""Where it is; empty where it is not installed."""


class Clock:
    """The clock of one tree."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "offset"
        self.jump(0)

    def jump(self, seconds: int) -> None:
        """From now on it is so many seconds ahead of the real one."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)

    @property
    def environment(self) -> dict[str, str]:
        """What a process has to find in its environment."""
        return {
            "LD_PRELOAD": LIBRARY,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
