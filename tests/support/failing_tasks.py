"""Tasks for the tests of retries: each says in a file what it, and its error handler, went through."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from supervisor import Reject, Retry, TaskTimeoutError, WorkerLostError, current_task, task


def told(path: str) -> list[dict[str, Any]]:
    """What was said so far."""
    return [json.loads(line) for line in Path(path).read_text().splitlines()] if os.path.exists(path) else []


def tell(path: str, **words: object) -> None:
    """Say something, with the time and our pid."""
    line = json.dumps({"at": time.time(), "pid": os.getpid(), **words}) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, line.encode())
    os.close(descriptor)


def do(deed: str) -> str:  # noqa: C901, PLR0912  a list of words
    """What a task does, by a word."""
    kind, _, text = deed.partition(":")
    match kind:
        case "return":
            return text
        case "retry":
            raise Retry("not yet", in_=float(text)) if text else Retry("not yet")
        case "reject":
            raise Reject(text)
        case "value":
            raise ValueError(text)
        case "connection":
            raise ConnectionError(text)
        case "hang":
            while True:
                time.sleep(0.01)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(int(text or 7))
        case "gate":
            while not os.path.exists(text):
                time.sleep(0.005)
            return "through"
    raise AssertionError(deed)


def run(path: str, deeds: list[str]) -> str:
    """The deed for each run of the task, the last one for all that follow."""
    runs = [line for line in told(path) if line["what"] == "run"]
    tell(path, what="run", attempt=current_task().attempt)
    return do(deeds[min(len(runs), len(deeds) - 1)])


def handle(task_id: str, error: BaseException, attempt: int) -> bool:
    """An error handler that says what it heard, and answers by what a file tells it. (It is given no path: the tasks
    below go by the name of theirs.)
    """
    path = current_task().name
    answer = Path(f"{path}.answer").read_text().strip() if os.path.exists(f"{path}.answer") else "yes"
    words = {"type": type(error).__name__, "text": str(error), "stack": getattr(error, "stack", None)}
    tell(path, what="asked", attempt=attempt, id=task_id, current=current_task().id, **words)
    print("the handler speaks")
    if answer in ("yes", "no"):
        return answer == "yes"
    do(answer)
    return True


async def handle_later(task_id: str, error: BaseException, attempt: int) -> bool:
    """The same, as a coroutine."""
    await asyncio.sleep(0.001)
    return handle(task_id, error, attempt)


@task
def act(path: str, deeds: list[str]) -> str:
    """Without a policy."""
    return run(path, deeds)


@task(error_handler=handle)
def act_handled(path: str, deeds: list[str]) -> str:
    """With a handler."""
    return run(path, deeds)


@task(retry_on=(ConnectionError, TaskTimeoutError))
def act_connected(path: str, deeds: list[str]) -> str:
    """Run again after two errors only."""
    return run(path, deeds)


@task(never_retry_on=(ValueError, WorkerLostError))
def act_valued(path: str, deeds: list[str]) -> str:
    """Run again after all errors but two."""
    return run(path, deeds)


@task(store_result=False)
def forget(value: str) -> str:
    """Its result is not kept."""
    return value


@task(store_result=False)
def forget_what_cannot_be_kept() -> object:
    return sys._getframe()
