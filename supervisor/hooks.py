"""Functions of the application that run at fixed points of a worker's life."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Hook = Callable[[], object]
H = TypeVar("H", bound=Hook)
_starts: list[Hook] = []
_stops: list[Hook] = []


def on_worker_start(function: H) -> H:
    """Decorator: run in each worker after it was forked, before its first task (open connections here).

    An exception keeps the worker from getting ready; it is logged, and another worker is forked after a pause.
    """
    _starts.append(function)
    return function


def on_worker_stop(function: H) -> H:
    """Decorator: run in a worker that leaves in good order (it is not run in one that is killed)."""
    _stops.append(function)
    return function


def run_starts() -> None:
    """Run what was registered with :func:`on_worker_start`, in that order."""
    for function in _starts:
        function()


def run_stops() -> None:
    """Run what was registered with :func:`on_worker_stop`, last first."""
    for function in reversed(_stops):
        function()
