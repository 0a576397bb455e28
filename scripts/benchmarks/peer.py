"""What is compared, as the benchmark sees it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parent.parent.parent
FOLDER = Path(os.environ.get("BENCH_FOLDER", "/nonexistent"))
"""Where a peer keeps its files; the modules of peers are imported by their workers as well, so it is in the
environment."""
REDIS = os.environ.get("BENCH_REDIS", "")
"""The path of the socket of a private redis-server."""
POSTGRES = os.environ.get("BENCH_POSTGRES", "")
"""The folder with the socket of a private PostgreSQL."""
WORKERS = 2


class Peer(Protocol):
    """One system. Everything is set as its own documentation says for throughput."""

    durability: str
    """What an accepted task outlives."""
    settings: str
    """How it is set."""

    def open(self) -> AbstractContextManager[object]:
        """What has to be there before tasks go in; nobody works on them yet."""
        ...

    def submit(self, numbers: Iterable[int]) -> None:
        """Put in many, in the way that is meant for many."""
        ...

    def submit_one(self, number: int) -> None:
        """Put in one, acknowledged."""
        ...

    def work(self) -> AbstractContextManager[object]:
        """The workers, from here on."""
        ...

    def result(self, number: int) -> object:
        """The result that is kept of a task that went in by :meth:`submit`."""
        ...


@dataclass(frozen=True, slots=True)
class Figure:
    """What one run came to."""

    peer: str
    measure: str
    value: float
    durability: str
    settings: str


@contextmanager
def programs(*commands: list[str]) -> Iterator[None]:
    """Programs of the environment, as long as we are inside; they say nothing."""
    running = [
        subprocess.Popen(
            [str(Path(sys.executable).parent / command[0]), *command[1:]],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(FOLDER / "workers.txt").open("ab"),
            start_new_session=True,
        )
        for command in commands
    ]
    try:
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()
