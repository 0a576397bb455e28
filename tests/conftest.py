"""Fixtures: a real supervisor for each test that asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.tree import RunningTree

MakeTree = Callable[..., RunningTree]


@pytest.fixture
def make_tree(tmp_path: Path) -> Iterator[MakeTree]:
    """Makes trees, with settings as keywords; each is ended after the test, and nothing of it may be left."""
    made: list[RunningTree] = []

    def make(*, start: bool = True, name: str = "tree", **settings: Any) -> RunningTree:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        tree = RunningTree(folder, **settings)
        made.append(tree)
        return tree.start() if start else tree

    yield make
    for tree in made:
        tree.close()


@pytest.fixture
def tree(make_tree: MakeTree) -> RunningTree:
    """A tree with two workers."""
    return make_tree()
