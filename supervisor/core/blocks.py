"""Which numbers of tasks belong to unfinished ones, in blocks: what a restart has to look through."""

from __future__ import annotations

BITS = 10
"""A block is 1,024 numbers."""


def last_of(block: int) -> int:
    """The last number of a block."""
    return ((block + 1) << BITS) - 1


class Blocks:
    """Counts the unfinished tasks of each block.

    The journal keeps the blocks that hold any. An index of the unfinished tasks would tell a restart the same, and cost
    the page of the index in every commit. The newest block is never closed, since the next task opens it again.
    """

    def __init__(self) -> None:
        self._held: dict[int, int] = {}
        self._newest = -1
        self._moved: dict[int, bool] = {}

    def restore(self, block: int) -> None:
        """The journal calls this block open. Before the first task of it."""
        self._held[block] = 0
        self._newest = max(self._newest, block)

    def settle(self) -> None:
        """All that is unfinished has been taken: what the journal calls open without reason (a salvage may) is not."""
        for block in [each for each, held in self._held.items() if not held and each != self._newest]:
            self._close(block)

    def take(self, seq: int, count: int = 1) -> None:
        """A task with this number is unfinished; or several of its block."""
        block = seq >> BITS
        held = self._held.get(block)
        if held is None:
            held = self._open(block)
        self._held[block] = held + count

    def free(self, seq: int) -> None:
        """It has ended."""
        block = seq >> BITS
        held = self._held[block] = self._held[block] - 1
        if not held and block != self._newest:
            self._close(block)

    def take_moved(self) -> dict[int, bool]:
        """Blocks that were opened (True) or closed since the last call."""
        moved, self._moved = self._moved, {}
        return moved

    @property
    def moved(self) -> bool:
        """Whether :meth:`take_moved` has any."""
        return bool(self._moved)

    def first(self, after: int, last: int) -> int | None:
        """The first open block with numbers behind ``after`` and up to ``last``; None when there is none."""
        return min((each for each in self._held if (after + 1) >> BITS <= each <= last >> BITS), default=None)

    def _open(self, block: int) -> int:
        self._moved[block] = True
        before = self._newest
        if block > before:
            self._newest = block
            if self._held.get(before) == 0:
                self._close(before)
        return 0

    def _close(self, block: int) -> None:
        del self._held[block]
        self._moved[block] = False
