"""Tasks that note that they run, and wait while a gate of theirs is closed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from supervisor import Handle, TaskQueue
from tests.support import together_tasks as tasks
from tests.support.waiting import until


class Gated:
    """Their gates and notes, in a folder."""

    def __init__(self, queue: TaskQueue, folder: Path) -> None:
        self.queue = queue
        self.folder = folder

    def close(self, name: str) -> str:
        """Close a gate; its name."""
        (self.folder / f"{name}.gate").touch()
        return name

    def open(self, name: str) -> None:
        """Open a gate."""
        (self.folder / f"{name}.gate").unlink()

    def open_all(self) -> None:
        """Leave nobody waiting."""
        for gate in self.folder.glob("*.gate"):
            gate.unlink()

    def submit(self, name: str, /, **options: Any) -> Handle[int]:
        """A task of this name."""
        return tasks.note.on(self.queue).options(**options).delay(str(self.folder), name)

    def runs(self, name: str) -> list[str]:
        """A line a run: pid, attempt."""
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def began(self, name: str, times: int = 1) -> None:
        """Wait until it has begun so often."""
        until(lambda: len(self.runs(name)) >= times, f"start {times} of {name}", 60.0)

    def kill_worker(self, name: str) -> None:
        """SIGKILL to the process that runs it."""
        os.kill(int(self.runs(name)[-1].split()[0]), signal.SIGKILL)
