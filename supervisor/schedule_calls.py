"""The part of :class:`supervisor.TaskQueue` that is about schedules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

from supervisor.client import calls
from supervisor.client.performing import Performing
from supervisor.config import TaskConfig
from supervisor.ids import new_id, to_text
from supervisor.packer import NO_CONFIG
from supervisor.records import ScheduleRecord, schedule_of
from supervisor.schedule_options import ScheduleOptions
from supervisor.schedules import Declaration, declaration


class ScheduleCalls(Performing):
    """Listing schedules, pausing them, running them now, and adding some that the code does not declare."""

    def schedules(self) -> list[ScheduleRecord]:
        """The schedules that are declared or were added, by name."""
        return [schedule_of(row) for row in self._perform(calls.schedules(self._timeout))]

    async def aschedules(self) -> list[ScheduleRecord]:
        """:meth:`schedules` without blocking the event loop."""
        return [schedule_of(row) for row in await self._aperform(calls.schedules(self._timeout))]

    def pause_schedule(self, name: str) -> None:
        """Have a schedule fire no more until it is resumed, restarts and new code included.

        What it has submitted runs on. Raises UnknownScheduleError.
        """
        self._perform(calls.pause_schedule(name, True, self._timeout))

    async def apause_schedule(self, name: str) -> None:
        """:meth:`pause_schedule` without blocking the event loop."""
        await self._aperform(calls.pause_schedule(name, True, self._timeout))

    def resume_schedule(self, name: str) -> None:
        """Have a schedule fire again, from now on: what went by meanwhile is not made up for.

        Raises UnknownScheduleError.
        """
        self._perform(calls.pause_schedule(name, False, self._timeout))

    async def aresume_schedule(self, name: str) -> None:
        """:meth:`resume_schedule` without blocking the event loop."""
        await self._aperform(calls.pause_schedule(name, False, self._timeout))

    def run_schedule(self, name: str) -> str:
        """Submit the task of a schedule now, also of one that is paused; the task's id.

        Its slots stay as they are. With overlap "queue" the task waits for those before it. Raises
        UnknownScheduleError, and what :meth:`TaskQueue.submit` raises.
        """
        return to_text(self._perform(calls.run_schedule(name, new_id(), self._timeout)))

    async def arun_schedule(self, name: str) -> str:
        """:meth:`run_schedule` without blocking the event loop."""
        return to_text(await self._aperform(calls.run_schedule(name, new_id(), self._timeout)))

    def add_schedule(
        self,
        func: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        config: TaskConfig = NO_CONFIG,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        """Begin a schedule that no code declares, on a user's request say. It takes what ``schedule.add`` takes.

        It outlives restarts, and is gone after its ``stop`` or with :meth:`remove_schedule`. Adding it again as it is
        changes nothing; with other options it changes the one of that name. Raises ScheduleError, and
        ScheduleDeclaredError when the code has one of that name.
        """
        new = _new(func, args, kwargs, config, options)
        plan = new.plan(self._perform(calls.info(self._timeout)))
        self._perform(calls.add_schedule(plan, self._timeout))

    async def aadd_schedule(
        self,
        func: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        config: TaskConfig = NO_CONFIG,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        """:meth:`add_schedule` without blocking the event loop."""
        new = _new(func, args, kwargs, config, options)
        plan = new.plan(await self._aperform(calls.info(self._timeout)))
        await self._aperform(calls.add_schedule(plan, self._timeout))

    def remove_schedule(self, name: str) -> None:
        """Drop a schedule that was added; what it has submitted runs on.

        Raises UnknownScheduleError, and ScheduleDeclaredError for one of the code.
        """
        self._perform(calls.remove_schedule(name, self._timeout))

    async def aremove_schedule(self, name: str) -> None:
        """:meth:`remove_schedule` without blocking the event loop."""
        await self._aperform(calls.remove_schedule(name, self._timeout))


def _new(
    func: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None,
    config: TaskConfig,
    options: ScheduleOptions,
) -> Declaration:
    return declaration(func, {"args": args, "kwargs": kwargs or {}, "config": config}, options)
