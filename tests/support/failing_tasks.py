"""Tasks for the tests of retries: each says in a file what it, and its error handler, went through."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable
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


def _retry(text: str) -> str:
    raise Retry("not yet", in_=float(text)) if text else Retry("not yet")


def _reject(text: str) -> str:
    raise Reject(text)


def _value(text: str) -> str:
    raise ValueError(text)


def _connection(text: str) -> str:
    raise ConnectionError(text)


def _hang(text: str) -> str:
    while True:
        time.sleep(0.01)


def _die(text: str) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return "not reached"


def _exit(text: str) -> str:
    os._exit(int(text))


def _gate(text: str) -> str:
    while not os.path.exists(text):
        time.sleep(0.005)
    return "through"


DEEDS: dict[str, Callable[[str], str]] = {
    "return": str,
    "retry": _retry,
    "reject": _reject,
    "value": _value,
    "connection": _connection,
    "hang": _hang,
    "die": _die,
    "exit": _exit,
    "gate": _gate,
}


def do(deed: str) -> str:
    """What a task does: a word, and after a colon what it needs."""
    kind, _, text = deed.partition(":")
    return DEEDS[kind](text)


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


@task
def better(log: str, gate: str, number: int) -> int:
    """Fails until a file is there, and then says in another which it is."""
    if not os.path.exists(gate):
        raise ValueError(number)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{number}\n".encode())
    os.close(descriptor)
    return number
