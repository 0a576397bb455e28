"""The supervisor's own tasks, as workers run them: the hooks for what happened in the broker."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from supervisor import task_hooks
from supervisor.core.internal import ON_BACKLOG, ON_DEATH
from supervisor.current import current_task
from supervisor.errors import HooksFailedError
from supervisor.log import log
from supervisor.records import ErrorInfo
from supervisor.states import Cause, State
from supervisor.task_hooks import Point


@dataclass(frozen=True, slots=True)
class DeadTask:
    """A task that ended failed, timed out or lost. All else about it can be asked for by its id."""

    id: str
    name: str
    state: State
    cause: Cause | None
    """Why its last attempt ended."""
    error: ErrorInfo | None
    """Its type and message; traceback and stack are in the record."""
    attempts: int
    """How many attempts counted."""
    retried: int
    """How often it had been taken up again before."""
    created_at: float
    ended_at: float


async def _on_death(
    *,
    state: str,
    cause: str | None,
    error: tuple[str, str],
    **told: Any,
) -> None:
    kind, message = error
    task = DeadTask(
        state=State(state),
        cause=Cause(cause) if cause else None,
        error=ErrorInfo(kind, message) if cause else None,
        **told,
    )
    await _run(Point.DEATH, task)


async def _on_backlog(*, queue: str, depth: int) -> None:
    await _run(Point.BACKLOG, queue, depth)


async def _run(point: Point, *args: object) -> None:
    """Run each hook, whatever becomes of the others; those that failed run again with the next attempt."""
    task = current_task()
    done: list[str] = task.get_context("done", [])
    failed: list[str] = []
    for hook in task_hooks.hooks(point):
        name = task_hooks.name_of(hook)
        if name in done:
            continue
        try:
            found = hook(*args)
            if inspect.isawaitable(found):
                await found
        except Exception as error:  # noqa: BLE001  a hook may raise anything
            traceback.print_exc()
            log.warning("hook %s failed: %s", name, error)
            failed.append(name)
        else:
            done.append(name)
            task.set_context("done", done)
    if failed:
        raise HooksFailedError(failed)


HANDLERS: dict[str, Callable[..., Any]] = {ON_DEATH: _on_death, ON_BACKLOG: _on_backlog}
"""Each worker knows them, whatever its application registers."""
