"""How long to wait before the next attempt. Pure: the random number is passed in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """``delay`` × ``factor`` for each failure before, at most ``cap``, plus up to ``jitter`` seconds.

    The defaults are those of most retry libraries: 1, 2, 4 … seconds, spread by up to one so that what failed
    together does not come back together. ``factor`` 1 makes it a fixed delay.
    """

    delay: float = 1.0
    factor: float = 2.0
    cap: float = 3600.0
    jitter: float = 1.0

    def seconds(self, failures: int, chance: float) -> float:
        """Seconds to wait after the ``failures``-th failure (from 1); ``chance`` is from 0 to 1."""
        try:
            grown = self.delay * self.factor ** (failures - 1)
        except OverflowError:
            grown = self.cap
        return float(min(self.cap, grown)) + self.jitter * chance
