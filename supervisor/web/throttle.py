"""Wrong passwords are counted: who has tried ten in a minute waits."""

from __future__ import annotations

import time
from collections import OrderedDict, deque

from supervisor.web.problems import ProblemError

_MOST = 10
_SECONDS = 60.0
_ADDRESSES = 1000


class Throttle:
    """Of this process, by address."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, address: str) -> None:
        """ProblemError 429 for an address that has failed too often."""
        failed = self._failures.get(address)
        if failed is None:
            return
        now = time.monotonic()
        while failed and failed[0] < now - _SECONDS:
            failed.popleft()
        if len(failed) >= _MOST:
            wait = int(failed[0] + _SECONDS - now) + 1
            raise ProblemError(
                429,
                f"too many wrong passwords came from {address or 'there'}; try again in {wait} s",
                "too-many-passwords",
                {"Retry-After": str(wait)},
            )

    def failed(self, address: str) -> None:
        """Count one more."""
        self._failures.setdefault(address, deque()).append(time.monotonic())
        self._failures.move_to_end(address)
        if len(self._failures) > _ADDRESSES:
            self._failures.popitem(last=False)
