"""A tree that several tests of a module share, since killing one's worker is nothing to another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from supervisor import TaskQueue, TaskRecord
from tests.support.tree import RunningTree
from tests.support.waiting import until

MODULES = ["tests.support.tasks", "tests.support.bad_tasks"]


@contextmanager
def running(folder: Path, **settings: Any) -> Iterator[RunningTree]:
    """A tree with unpinned workers of ordinary niceness, so that a busy machine does not starve them."""
    tree = RunningTree(folder, **{"tasks": MODULES, "cpus": "off", **settings})
    try:
        yield tree.start()
    finally:
        tree.close()


def ended(queue: TaskQueue, task_id: str, timeout: float = 30.0) -> TaskRecord:
    """The record of a task once it has ended, however it ended."""

    def record() -> TaskRecord | None:
        found = queue.get_result(task_id)
        assert found is not None
        return found if found.state.ended else None

    return until(record, f"the end of task {task_id}", timeout)


def written(path: Path, timeout: float = 20.0) -> str:
    """What a task has written into a file, once there is something."""
    return until(lambda: path.read_text() if path.exists() else None, f"something in {path}", timeout)


def stack_of(record: TaskRecord) -> str:
    """The stack in a record that has one."""
    assert record.error is not None
    assert record.error.stack is not None
    return record.error.stack
