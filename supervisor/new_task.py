"""A task on its way into the queue, in the hands of the hooks of the process that submits it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from supervisor import task_hooks
from supervisor.config import TaskConfig
from supervisor.functions import name_of
from supervisor.ids import to_text
from supervisor.packer import chosen
from supervisor.task_hooks import Point


@dataclass(slots=True)
class NewTask:
    """What ``on_pre_create`` may change, and ``on_post_create`` may read."""

    name: str
    """What it goes by; another is chosen with ``options["name"]``."""
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    options: dict[str, Any]
    """The options that differ from their defaults, by the names of :class:`TaskConfig`."""
    context: dict[str, Any] = field(default_factory=dict)
    """What its context begins with: plain data."""
    id: str = ""
    """Empty until it is accepted."""

    @classmethod
    def of(cls, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], config: TaskConfig) -> Self:
        """A call as it is to be submitted."""
        function, config = chosen(func, config)
        return cls.begin(config.name or name_of(function), args, kwargs, config)

    @classmethod
    def begin(cls, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], config: TaskConfig) -> Self:
        """A call of what goes by this name, with these options."""
        fields = dataclasses.fields(config)
        options = {each.name: getattr(config, each.name) for each in fields if each.name != "context"}
        changed = {each.name: options[each.name] for each in fields if options.get(each.name) != each.default}
        changed.pop("context", None)
        return cls(name, tuple(args), dict(kwargs), changed, dict(config.context or {}))

    def config(self) -> TaskConfig:
        """The options as they are now. Raises TaskOptionError."""
        return TaskConfig.of({**self.options, "context": self.context or None})

    def announce(self) -> None:
        """Run what is to be run before it is submitted."""
        task_hooks.run(Point.PRE_CREATE, self)

    async def aannounce(self) -> None:
        """:meth:`announce` without blocking the event loop."""
        await task_hooks.arun(Point.PRE_CREATE, self)

    def accept(self, task_id: bytes, found: bytes) -> None:
        """It was submitted under this id, and ``found`` stands for it: itself, or a task that holds its unique key."""
        if task_id == found:
            self.id = to_text(found)
            task_hooks.run(Point.POST_CREATE, self)

    async def aaccept(self, task_id: bytes, found: bytes) -> None:
        """:meth:`accept` without blocking the event loop."""
        if task_id == found:
            self.id = to_text(found)
            await task_hooks.arun(Point.POST_CREATE, self)
