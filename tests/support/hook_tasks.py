"""Tasks with hooks that write down what happens, beside the supervisor's directory; for the tests of hooks."""

from __future__ import annotations

import asyncio
import contextvars
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from supervisor import (
    CurrentTask,
    DeadTask,
    current_task,
    on_backlog,
    on_death,
    on_post_run,
    on_pre_run,
    queue,
    set_context,
    task,
)

workspace: contextvars.ContextVar[str] = contextvars.ContextVar("workspace", default="none")
room: contextvars.ContextVar[str] = contextvars.ContextVar("room", default="none")


def write(file: str, /, **told: Any) -> None:
    """A line of JSON more in a file of this name."""
    descriptor = os.open(
        Path(os.environ["SUPERVISOR_DIR"]).parent / file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600
    )
    os.write(descriptor, json.dumps({**told, "pid": os.getpid()}).encode() + b"\n")
    os.close(descriptor)


@on_pre_run
async def enter_workspace(running: CurrentTask) -> None:
    await asyncio.sleep(0)
    workspace.set(running.context.get("workspace", "none"))


@on_pre_run
def begin(running: CurrentTask) -> None:
    room.set("blue")
    workspace.set(f"{workspace.get()}!")
    write("runs", at="begin", id=running.id, name=running.name, attempt=running.attempt)
    if running.context.get("refuse"):
        raise PermissionError("refused by a hook")


@on_post_run
async def end(running: CurrentTask, result: object = None, error: BaseException | None = None) -> None:
    await asyncio.sleep(0)
    write("runs", at="end", id=running.id, result=repr(result), error=repr(error), workspace=workspace.get())
    if running.context.get("spoil"):
        raise RuntimeError("spoilt by a hook")


@on_death
async def bury(dead: DeadTask) -> None:
    await asyncio.sleep(0)
    write(
        "deaths",
        id=dead.id,
        name=dead.name,
        state=dead.state,
        cause=dead.cause,
        error=str(dead.error),
        attempts=dead.attempts,
        retried=dead.retried,
        own=current_task().name,
    )


@on_death
def mourn(dead: DeadTask) -> None:
    """Fails at first for some."""
    write("mourning", id=dead.id, attempt=current_task().attempt)
    if dead.name.endswith("hard_to_mourn") and current_task().attempt < 3:
        raise ConnectionError("nobody to tell")


@on_backlog
def too_many(name: str, depth: int) -> None:
    write("backlogs", queue=name, depth=depth)


@task
def where() -> list[str]:
    return [workspace.get(), room.get()]


@task(max_retries=0, crash_budget=1)
def die(how: str = "raise") -> None:
    """Ends badly."""
    match how:
        case "raise":
            raise ValueError("as asked")
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            while True:
                time.sleep(0.01)


@task(max_retries=0)
def hard_to_mourn() -> None:
    raise ValueError("as asked")


@task(max_retries=1, retry_delay=0.0)
def fail_twice() -> None:
    set_context("attempt", current_task().attempt)
    raise ValueError(f"attempt {current_task().attempt}")


@task(crash_budget=2, error_handler=lambda task_id, error, attempt: False)
def ask_and_die() -> None:
    """Its handler, asked after the kill, wants no more."""
    os.kill(os.getpid(), signal.SIGKILL)


@queue.register_handler("hooked")
def hooked(data: dict[str, Any]) -> dict[str, Any]:
    return data


@task
def note(*args: Any, **kwargs: Any) -> list[Any]:
    return [list(args), kwargs]
