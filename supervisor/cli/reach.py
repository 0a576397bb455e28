"""What commands about a queue have in common: which one, in which form they answer, and how they get at it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from supervisor.cli.place import find
from supervisor.journal import history
from supervisor.journal.history import History
from supervisor.taskqueue import TaskQueue

C = TypeVar("C", bound=Callable[..., Any])
_DIR = click.option("--dir", "chosen", metavar="DIR", help="The supervisor's directory. [.supervisor; SUPERVISOR_DIR]")
_JSON = click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")


def about_a_queue(command: C) -> C:
    """Add the options ``--dir`` (as ``chosen``) and ``--json`` (as ``as_json``)."""
    return _DIR(_JSON(command))


@contextmanager
def queue_of(chosen: str | None, timeout: float = 5.0) -> Generator[TaskQueue]:
    """The queue of a supervisor that runs; its calls raise QueueUnavailableError where none does."""
    queue = TaskQueue(find(chosen).path, timeout)
    try:
        yield queue
    finally:
        queue.close()


@contextmanager
def history_of(chosen: str | None) -> Generator[History]:
    """What the journal tells, whether its supervisor runs or not. Raises JournalError."""
    with history.read(find(chosen).journal) as found:
        yield found
