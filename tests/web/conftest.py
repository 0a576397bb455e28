"""Fixtures: dashboards beside a tree that the tests of a module share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.dashboards import OPERATOR, PASSWORDS, VIEWER, Client, Dashboard
from tests.support.shared import MODULES, running
from tests.support.tree import RunningTree

MakeDashboard = Callable[..., Dashboard]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("web")


@pytest.fixture(scope="module")
def shared_tree(folder: Path) -> Iterator[RunningTree]:
    modules = [*MODULES, "tests.support.seen_tasks", "tests.support.talking_tasks", "tests.support.web_schedules"]
    with running(folder, tasks=modules, workers=3, durability="normal", max_retries=0) as tree:
        yield tree


@pytest.fixture(scope="module")
def make_shared(folder: Path) -> Iterator[MakeDashboard]:
    """Makes dashboards; each is ended after the module."""
    with ExitStack() as stack:

        def make(
            directory: Path, environment: dict[str, str] | None = None, *command: str, path: str = ""
        ) -> Dashboard:
            made = Dashboard(folder, directory, environment, path)
            stack.callback(made.stop)
            return made.start(*command)

        yield make


@pytest.fixture(scope="module")
def guarded(make_shared: MakeDashboard, shared_tree: RunningTree) -> Dashboard:
    """One with passwords."""
    return make_shared(shared_tree.dir, PASSWORDS)


@pytest.fixture(scope="module")
def unguarded(make_shared: MakeDashboard, shared_tree: RunningTree) -> Dashboard:
    """One with nothing configured."""
    return make_shared(shared_tree.dir)


@pytest.fixture(scope="module")
def operator(guarded: Dashboard) -> Iterator[Client]:
    with guarded.client(OPERATOR) as client:
        yield client


@pytest.fixture(scope="module")
def viewer(guarded: Dashboard) -> Iterator[Client]:
    with guarded.client(VIEWER) as client:
        yield client
