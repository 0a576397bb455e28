"""What a test has on the tree before it looks."""

from __future__ import annotations

from pathlib import Path

from supervisor import TaskConfig
from tests.support import tasks
from tests.support.shared import ended, written
from tests.support.tree import RunningTree


def failed(tree: RunningTree, name: str, message: str = "as asked") -> str:
    """A dead letter."""
    task_id = tree.queue.submit(tasks.fail, message, config=TaskConfig(name=name))
    ended(tree.queue, task_id)
    return task_id


def done(tree: RunningTree, name: str, queue: str = "default") -> str:
    """A task that succeeded."""
    task_id = tree.queue.submit(tasks.add, 20, 22, config=TaskConfig(name=name, queue=queue))
    ended(tree.queue, task_id)
    return task_id


def held(tree: RunningTree, queue: str, count: int, name: str = "held") -> list[str]:
    """Tasks that wait in a queue that is paused."""
    tree.queue.pause(queue)
    return [tree.queue.submit(tasks.noop, config=TaskConfig(queue=queue, name=name)) for _ in range(count)]


def asleep(tree: RunningTree, path: Path, name: str = "asleep") -> tuple[str, int]:
    """A task that runs, and the pid of its worker."""
    task_id = tree.queue.submit(tasks.sleep, 600, str(path), config=TaskConfig(name=name, timeout=900))
    return task_id, int(written(path))
