"""A task on its way into the queue, in the hands of the hooks of the process that submits it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class NewTask:
    """What ``on_pre_create`` may change, and ``on_post_create`` may read."""

    name: str
    """What it goes by; another is chosen with ``options["name"]``."""
    args: tuple[Any, ...]
    """What it is called with."""
    kwargs: dict[str, Any]
    """What it is called with by name."""
    options: dict[str, Any]
    """The options that differ from their defaults, by the names of :class:`TaskConfig`, but for ``context``."""
    context: dict[str, Any] = field(default_factory=dict)
    """What its context begins with: plain data."""
    id: str = ""
    """Empty until it is accepted."""
