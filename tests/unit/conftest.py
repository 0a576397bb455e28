"""How hypothesis works here: the same examples each time, no deadline (a busy machine is no fault), nothing kept.

And a scoreboard.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from supervisor.scoreboard import Scoreboard

settings.register_profile(
    "unit",
    derandomize=True,
    deadline=None,
    max_examples=60,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
settings.load_profile("unit")


@pytest.fixture
def board() -> Iterator[Scoreboard]:
    """A fresh one."""
    made = Scoreboard.create()
    yield made
    os.close(made.descriptor)
