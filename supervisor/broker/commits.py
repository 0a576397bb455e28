"""How long the commits of the journal took: so little is done for each that it cannot be told from none."""

from __future__ import annotations

_BITS = 64


class Commits:
    """Counts by powers of two: a commit is counted by how many bits its nanoseconds have, which no logarithm costs."""

    __slots__ = ("counts", "total_ns")

    def __init__(self) -> None:
        self.counts = [0] * _BITS
        self.total_ns = 0

    def add(self, nanoseconds: int) -> None:
        """Count one."""
        self.counts[nanoseconds.bit_length()] += 1
        self.total_ns += nanoseconds
