"""What a restart finds in a journal."""

from __future__ import annotations

from typing import NamedTuple

from supervisor.journal.journal import Journal
from supervisor.states import State


class Unfinished(NamedTuple):
    """A task that has not ended, and the lease that it was given last."""

    seq: int
    id: bytes
    state: str = State.QUEUED.value
    lease: int = 0
    worker: int = 0
    pid: int = 0


def unfinished(journal: Journal) -> list[Unfinished]:
    """All of them, in the order of seq."""
    found: list[Unfinished] = []
    for block in journal.open_blocks():
        found += [Unfinished(row[0], row[1]) for row in journal.newcomers(block)]
        for task in journal.unfinished(block):
            found.append(Unfinished(task.seq, task.id, task.state, task.lease, task.worker, task.pid))
    return sorted(found)
