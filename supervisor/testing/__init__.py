"""What tests of applications need: a queue in the test's own process, and fixtures for pytest.

The names are imported when they are first asked for, as those of the package are: pytest loads the plugin in every
run, also where nobody uses it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervisor.testing.clock import Clock
    from supervisor.testing.queue import InProcessQueue, in_process

_HOME = {
    "Clock": "supervisor.testing.clock",
    "InProcessQueue": "supervisor.testing.queue",
    "in_process": "supervisor.testing.queue",
}

__all__ = ["Clock", "InProcessQueue", "in_process"]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
