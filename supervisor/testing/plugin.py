"""The pytest plugin: fixtures for a queue in the test's own process, and for a real small tree of processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import supervisor
from supervisor import testing

if TYPE_CHECKING:
    from supervisor import TaskQueue
    from supervisor.testing import InProcessQueue

_INI = "supervisor_tasks"
_MARKER = "supervisor"
_OF_THE_MODE = ("eager", "at")
"""What only the in-process mode has a use for."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where the tasks are is said once, in the configuration of pytest."""
    parser.addini(_INI, "Modules that hold the tasks, for the fixtures of supervisor.", type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of our marker."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(tasks=…, eager=…, at=…, **settings): what supervisor_queue and supervisor_tree are made with",
    )


@pytest.fixture
def supervisor_queue(request: pytest.FixtureRequest) -> Iterator[InProcessQueue]:
    """A queue in the test's own process, see :func:`supervisor.testing.in_process`; tasks run when they are told to."""
    with testing.in_process(**_chosen(request)) as queue:
        yield queue


@pytest.fixture
def supervisor_tree(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TaskQueue]:
    """The queue of a real small tree of processes (``workers``: 2) in ``tmp_path``, which ends with the test."""
    chosen = {name: value for name, value in _chosen(request).items() if name not in _OF_THE_MODE}
    settings = {"workers": 2, "dir": tmp_path / "supervisor", "durability": "normal", **chosen}
    with supervisor.TaskQueue.local(**settings) as queue:
        yield queue


def _chosen(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The ini's word, then the markers' from the outermost to the test's own."""
    chosen: dict[str, Any] = {"tasks": request.config.getini(_INI)}
    for marker in reversed(list(request.node.iter_markers(_MARKER))):
        chosen.update(marker.kwargs)
    return chosen
