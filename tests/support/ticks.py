"""A task for the tests of schedules: it notes each of its runs, and the slot that it stands for can be read there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from supervisor import current_task, task
from tests.support.tasks import note, wait_for_file


@dataclass(frozen=True, slots=True, order=True)
class Tick:
    """A run of it."""

    id: str
    attempt: int
    pid: int

    @property
    def slot(self) -> int:
        """Milliseconds since 1970: the id of a slot's task begins with them."""
        return int(self.id[:12], 16)


@task(name="tick")
def tick(path: str, gate: str = "") -> str:
    """Notes that it runs, then waits for the file ``gate``, where one is named."""
    note(path, f"{current_task().id} {current_task().attempt} {os.getpid()}\n")
    return wait_for_file(gate, 60.0) if gate else "ticked"


def ticks(path: Path) -> list[Tick]:
    """The runs so far, in their order."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [Tick(words[0], int(words[1]), int(words[2])) for words in map(str.split, lines)]


def slots(path: Path) -> list[int]:
    """The slots that were run so far, each as often as a task was submitted for it, in order."""
    return sorted(Tick(each, 1, 0).slot for each in {tick.id for tick in ticks(path)})
