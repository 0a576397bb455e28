"""Submitting where there are hooks for it: what is to be submitted is shown to them before and after."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from supervisor import task_hooks
from supervisor.config import TaskConfig
from supervisor.functions import name_of
from supervisor.ids import to_text
from supervisor.new_task import NewTask
from supervisor.packer import chosen
from supervisor.task_hooks import Point


@dataclass(frozen=True, slots=True)
class Creation:
    """Of one task. The hooks may change the task; what is submitted is what it is after them."""

    task: NewTask

    @classmethod
    def of(cls, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], config: TaskConfig) -> Self:
        """A call of a function, with its own options where none are given."""
        function, config = chosen(func, config)
        return cls.begin(config.name or name_of(function), args, kwargs, config)

    @classmethod
    def begin(cls, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], config: TaskConfig) -> Self:
        """A call of what goes by this name, with these options."""
        options = {
            each.name: getattr(config, each.name)
            for each in dataclasses.fields(config)
            if each.name != "context" and getattr(config, each.name) != each.default
        }
        return cls(NewTask(name, tuple(args), dict(kwargs), options, dict(config.context or {})))

    @property
    def config(self) -> TaskConfig:
        """The options as they are now. Raises TaskOptionError."""
        return TaskConfig.of({**self.task.options, "context": self.task.context or None})

    def announce(self) -> Self:
        """Run what is to be run before it is submitted."""
        task_hooks.run(Point.PRE_CREATE, self.task)
        return self

    async def aannounce(self) -> Self:
        """:meth:`announce` without blocking the event loop."""
        await task_hooks.arun(Point.PRE_CREATE, self.task)
        return self

    def accept(self, task_id: bytes, found: bytes) -> None:
        """It was submitted under this id, and ``found`` stands for it: itself, or a task that holds its unique key."""
        if task_id == found:
            self.task.id = to_text(found)
            task_hooks.run(Point.POST_CREATE, self.task)

    async def aaccept(self, task_id: bytes, found: bytes) -> None:
        """:meth:`accept` without blocking the event loop."""
        if task_id == found:
            self.task.id = to_text(found)
            await task_hooks.arun(Point.POST_CREATE, self.task)
