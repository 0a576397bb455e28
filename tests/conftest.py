"""Fixtures: a real supervisor for each test that asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from supervisor import task_hooks
from tests.support.tree import RunningTree

MakeTree = Callable[..., RunningTree]
SAMPLE = {
    "test_submitting.py",
    "test_crashes.py",
    "test_killing.py",
    "test_web_workers.py",
    "test_wire.py",
    "test_functions.py",
    "test_book.py",
}
"""What is run with each Python that is installed."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the sample."""
    for item in items:
        if item.path.name in SAMPLE:
            item.add_marker(pytest.mark.versions)


@pytest.fixture(autouse=True)
def no_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a module of tasks registers is for workers: in the process of the tests there are the test's own alone."""
    monkeypatch.setattr(task_hooks, "_hooks", {point: {} for point in task_hooks.Point})


@pytest.fixture
def make_tree(tmp_path: Path) -> Iterator[MakeTree]:
    """Makes trees, with settings as keywords; each is ended after the test, and nothing of it may be left."""
    with ExitStack() as stack:  # one that does not end as it should keeps no other from being ended

        def make(*, start: bool = True, name: str = "tree", **settings: Any) -> RunningTree:
            folder = tmp_path / name
            folder.mkdir(exist_ok=True)
            tree = RunningTree(folder, **settings)
            stack.callback(tree.close)
            return tree.start() if start else tree

        yield make


@pytest.fixture
def tree(make_tree: MakeTree) -> RunningTree:
    """A tree with two workers."""
    return make_tree()
