"""Why workers are asked to leave."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a worker is asked to leave, in a word."""

    NEW_CODE = "new_code"
    ASKED = "asked"
    """Somebody asked for another one in its place."""
    MAX_TASKS = "max_tasks"
    MAX_AGE = "max_age"
    MAX_MEMORY = "max_memory"
    SCALING = "scaling"
    """There are more workers than wanted."""
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class Leave:
    """Why a worker is asked to leave."""

    reason: Reason
    text: str
    """The same in words."""
