"""Open file descriptors: closing what was inherited, naming what must not cross a fork."""

from __future__ import annotations

import os
from collections.abc import Iterable


def close_all_but(keep: Iterable[int]) -> None:
    """Close every descriptor over 2 that is not in ``keep``."""
    kept = sorted({fd for fd in keep if fd > 2})
    low = 3
    for descriptor in [*kept, _highest() + 1]:
        os.closerange(low, descriptor)
        low = descriptor + 1


def _highest() -> int:
    return max((int(name) for name in os.listdir("/proc/self/fd")), default=2)


def sockets() -> dict[int, str]:
    """The sockets this process holds: descriptor → what the kernel calls it."""
    found: dict[int, str] = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:"):
            found[int(name)] = target
    return found
