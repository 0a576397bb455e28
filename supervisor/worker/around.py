"""A call between its hooks, with the context variables that were captured when it was submitted."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from typing import Any

from supervisor import captured
from supervisor.current import CurrentTask
from supervisor.functions import Call
from supervisor.log import log
from supervisor.task_hooks import Hook, Point, hooks, name_of

Run = Callable[..., object]


def run_around(call: Call, task: CurrentTask, run: Run, run_hook: Run) -> object:
    """What the call returns. ``run`` and ``run_hook`` run a function that may be interrupted, with its arguments.

    To be run in a copy of the context: what is set in it is nothing to the next task.
    """
    process = os.getpid()
    result: object = None
    error: BaseException | None = None
    if call.variables:
        captured.restore(call.variables)
    try:
        for hook in hooks(Point.PRE_RUN):
            run_hook(hook, task)
        result = run(call.function, *call.args, **call.kwargs)
    except BaseException as fault:
        error = fault
        raise
    finally:
        if os.getpid() == process:  # and not in a process that the task forked, and that came back from it
            for hook in reversed(hooks(Point.POST_RUN)):
                _run_after(hook, task, run_hook, result, error)
    return result


def _run_after(hook: Hook, task: CurrentTask, run_hook: Run, result: Any, error: BaseException | None) -> None:
    try:
        run_hook(hook, task, result=result, error=error)
    except BaseException as fault:  # noqa: BLE001  the task has ended, and nothing changes that
        traceback.print_exc()
        log.warning("hook %s failed after task %s (%s): %s", name_of(hook), task.name, task.id, fault)
