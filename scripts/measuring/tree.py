"""A tree of its own for one measurement."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor import TaskQueue
from supervisor.directory import Directory
from supervisor.errors import SupervisorError
from supervisor.master.control import ask
from supervisor.system import proc

_RUN = (
    "import json, sys; from supervisor.settings import Settings; from supervisor.standalone import run;"
    "run(Settings.load(command_line=json.loads(sys.argv[1])).settings, 'measure')"
)


@dataclass(eq=False)
class Tree:
    """A running supervisor."""

    directory: Directory
    queue: TaskQueue
    process: subprocess.Popen[bytes]

    def status(self) -> dict[str, Any]:
        """What the master says."""
        return ask(self.directory, "status")

    def broker(self) -> int:
        """The broker's pid."""
        found = self.status()["broker"]
        return int(found["pid"] if isinstance(found, dict) else found)

    def pids(self) -> list[int]:
        """Every process of the tree."""
        return list(proc.descendants(self.process.pid))


@contextmanager
def running(environment: dict[str, str] | None = None, **settings: Any) -> Iterator[Tree]:
    """Start one in a temporary folder; end it after the ``with``."""
    folder = Path(tempfile.mkdtemp(prefix="measure-"))
    chosen = {"dir": str(folder / "sv"), "tasks": "scripts.measuring.workload", "log_level": "error", **settings}
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, json.dumps(chosen)],
        cwd=Path(__file__).parent.parent.parent,
        env={**os.environ, **(environment or {})},
    )
    tree = Tree(Directory(folder / "sv"), TaskQueue(folder / "sv", timeout=60.0), process)
    try:
        wait_ready(tree)
        yield tree
    finally:
        tree.queue.close()
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder)


def wait_ready(tree: Tree) -> dict[str, Any]:
    """Until all workers are ready; the status."""
    until = time.monotonic() + 60
    while True:
        try:
            status = tree.status()
            if status["ready"] >= status["wanted"]:
                return status
        except SupervisorError:
            pass
        if time.monotonic() > until:
            raise TimeoutError("the tree does not get ready")
        time.sleep(0.002)
