"""What runs in the background: two useful tasks, and the bad citizens.

None of them knows that it can be killed, and none has a line that would make it easier.
"""

from collections.abc import Mapping
from typing import Any

from docs.examples.tasks import archive, crash, family, flaky, fractal, hog, loop
from supervisor import Task

CITIZENS: Mapping[str, Task[[], Any]] = {
    "endless-loop": loop.endless,
    "endless-c-loop": loop.endless_in_c,
    "catastrophic-regex": loop.backtrack,
    "family": family.raise_family,
    "segfault": crash.segfault,
    "memory-hog": hog.hoard,
    "flaky": flaky.try_again,
}
"""The bad citizens, by the name that their URL, their button and their record share."""

LIMITS = {
    "compress": archive.compress.config.timeout,
    "render": fractal.render.config.timeout,
    **{name: citizen.config.timeout for name, citizen in CITIZENS.items()},
}
"""Seconds after which an attempt is killed, by task name."""
