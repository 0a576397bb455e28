"""Tasks that end in every way that needs no kill, for the in-process mode and for a tree to be compared."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

from supervisor import Reject, Retry, SoftTimeoutError, TaskTimeoutError, WorkerLostError, current_task, queue, task
from supervisor.testing import InProcessQueue

seen: list[Any] = []
"""What tasks have done in this very process; the in-process mode runs them here."""


@task
def double(number: int) -> int:
    seen.append(number)
    return 2 * number


@task
async def later(number: int) -> int:
    await asyncio.sleep(0)
    return number + 1


@task
def talk(words: str) -> None:
    print(words)
    print("to stderr", file=sys.stderr)


@task(max_retries=0)
def fail(words: str) -> None:
    print("about to fail")
    raise ValueError(words)


@task(max_retries=2, retry_delay=1)
def fail_until(attempt: int) -> int:
    now = current_task().attempt
    if now < attempt:
        raise ValueError(f"attempt {now}")
    return now


@task(max_retries=3)
def again_in(seconds: float) -> str:
    if current_task().attempt == 1:
        raise Retry("not yet", in_=seconds)
    return "at last"


@task
def reject() -> None:
    raise Reject("never")


@task
def large(size: int) -> str:
    return "x" * size


@task
def unportable() -> object:
    return threading.Lock()


@task(store_result=False)
def forgetful() -> int:
    return 1


@task
def give_up() -> None:
    raise SystemExit(3)


@task
def grow(numbers: list[int]) -> int:
    numbers.append(1)
    return len(numbers)


@task
def nest(depth: int) -> int:
    return 1 + nest.delay(depth - 1).result(timeout=30) if depth else 0


@task
async def anest(depth: int) -> int:
    if not depth:
        return 0
    inner = await anest.adelay(depth - 1)
    return 1 + await inner.aresult(timeout=30)


@task
def spread(count: int) -> list[str]:
    return [double.delay(number).id for number in range(count)]


@task
def cancel_myself() -> str:
    queue.cancel(current_task().id)
    return "went on"


@task
def report(done: int, total: int) -> str:
    current_task().progress(done, total, "so far")
    return current_task().id


def _clock() -> Any:
    """Of the in-process queue that is open."""
    return clocks[-1]


clocks: list[Any] = []


@task(timeout=10, soft_timeout=4, max_retries=1, retry_delay=0)
def take(seconds: float) -> float | None:
    _clock().advance(seconds)
    seen.append("went on")
    return current_task().time_left()


@task(timeout=10, soft_timeout=4, max_retries=0)
def clean_up(seconds: float) -> str:
    try:
        _clock().advance(seconds)
    except SoftTimeoutError:
        return "cleaned up"
    return "in time"


@task(timeout=10, soft_timeout=4, max_retries=0)
async def take_async(seconds: float) -> str:
    _clock().advance(seconds)
    await asyncio.sleep(0)
    return "in time"


doors: dict[str, threading.Event] = {}


@task
def pass_through() -> str:
    doors["entered"].set()
    assert doors["gate"].wait(timeout=30)
    return "through"


def judge(task_id: str, error: BaseException, attempt: int) -> bool:
    seen.append((type(error), attempt))
    return not isinstance(error, TaskTimeoutError | WorkerLostError)


@task(timeout=10, max_retries=5, error_handler=judge)
def judged(seconds: float) -> None:
    _clock().advance(seconds)


@queue.register_handler("greet", max_retries=1)
def greet(data: dict[str, str]) -> str:
    return f"hello {data['to']}"


@task
def tick(name: str = "tick") -> None:
    seen.append(name)


def watch(opened: InProcessQueue) -> InProcessQueue:
    """From now on the tasks here move the clock of this queue."""
    clocks[:] = [opened.clock]
    seen.clear()
    return opened
