"""Submitting, reading, waiting."""

from __future__ import annotations

from tests.support import tasks
from tests.support.tree import RunningTree


def test_a_task_returns_its_result(tree: RunningTree) -> None:
    assert tasks.add.on(tree.queue).delay(2, 3).result(timeout=10) == 5
