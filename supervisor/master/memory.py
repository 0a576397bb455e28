"""Watching what tasks take while they run."""

from __future__ import annotations

from collections.abc import Iterator

from supervisor.master.pool import Pool
from supervisor.master.worker import Stage, WorkerHandle
from supervisor.system import proc

LOOK_NS = 50_000_000
_WATCHED = (Stage.READY, Stage.RETIRING)


class MemoryWatch:
    """Looks 20 times a second, but only while a task with a limit runs or there is a budget for all."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._next_ns = 0

    def wanted(self) -> bool:
        """Whether there is anything to watch."""
        if self._pool.settings.memory_budget is not None:
            return bool(self._pool.workers)
        return any(_limit(handle) for handle in self._pool)

    def next_ns(self) -> int | None:
        """When to look next."""
        return self._next_ns if self.wanted() else None

    def over(self, now_ns: int) -> Iterator[tuple[WorkerHandle, int, str]]:
        """The workers to be killed for their memory, each with what it held as it was looked at, and why."""
        if now_ns < self._next_ns or not self.wanted():
            return
        self._next_ns = now_ns + LOOK_NS
        watched = [handle for handle in self._pool if handle.stage in _WATCHED and handle.kill is None]
        # What it holds is read before its size: a size that a task had is never held against the next.
        held = {handle: (handle.slot.held().lease, _limit(handle)) for handle in watched}
        sizes = {handle: proc.tree_resident_bytes(handle.pid) - handle.baseline for handle in watched}
        for handle, size in sizes.items():
            lease, limit = held[handle]
            if limit and size > limit and (taken := _taken(handle, size)) > limit:
                yield handle, lease, f"it took {taken >> 20} MiB, over its memory limit of {limit >> 20} MiB"
        budget = self._pool.settings.memory_budget
        if budget is None or sum(sizes.values()) <= budget:
            return
        sizes = {handle: _taken(handle, size) for handle, size in sizes.items()}
        total = sum(sizes.values())
        if total > budget:
            largest = max(sizes, key=lambda handle: sizes[handle])
            yield (
                largest,
                held[largest][0],
                (
                    f"all workers took {total >> 20} MiB, over the budget of {budget >> 20} MiB,"
                    f" and it took most of it: {sizes[largest] >> 20} MiB"
                ),
            )


def _taken(handle: WorkerHandle, size: int) -> int:
    """What it really takes, where ``size`` may count pages many times that a task shares with the processes that it
    forked. Looked at only when the quick look says that it is too much.
    """
    return min(size, proc.tree_proportional_bytes(handle.pid))


def _limit(handle: WorkerHandle) -> int:
    running = handle.slot.running()
    return running.memory if running is not None and running.running else 0
