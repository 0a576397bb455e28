"""Tasks that wait for tasks."""

from __future__ import annotations

import time
from collections.abc import Iterator

from supervisor import SoftTimeoutError, TaskQueue, group, task


@task(max_retries=0)
def descend(depth: int) -> int:
    """Submits itself, one less deep, and waits for that; how deep it went."""
    return 1 + descend.delay(depth - 1).result(timeout=60) if depth else 0


@task
async def descend_async(depth: int) -> int:
    """The same, awaiting."""
    return 1 + await (await descend_async.adelay(depth - 1)).aresult(timeout=60) if depth else 0


@task
def ask(number: int) -> int:
    """Waits for a task that is behind many others like this one."""
    return answer.delay(number).result(timeout=60)


@task
def answer(number: int) -> int:
    return number


@task(timeout=1.0, max_retries=0)
def wait_for_ever(task_id: str) -> None:
    """Waits for a task that does not end; is killed at its limit."""
    TaskQueue().wait(task_id)


@task(soft_timeout=0.5, timeout=60, max_retries=0)
def go_on_after_the_soft_limit(task_id: str) -> str:
    """Waits for a task, beyond its own soft limit; then ends that one, and submits another over the same queue."""
    queue = TaskQueue()
    try:
        queue.wait(task_id)
    except SoftTimeoutError:
        queue.cancel(task_id)  # and what was waited for is answered, though nobody waits any more
        return queue.submit(answer, 1)
    return ""


@task(soft_timeout=0.5, timeout=60, max_retries=0)
def submit_slowly() -> int:
    """Submits many, and comes to its soft limit while it works out the second thousand; how many it had asked for."""
    asked = 0

    def arguments() -> Iterator[tuple[int]]:
        nonlocal asked
        for asked in range(1, 3000):
            if asked == 1500:
                time.sleep(60)
            yield (asked,)

    try:
        TaskQueue().submit_many(answer, arguments())
    except SoftTimeoutError:
        return asked
    return 0


@task
def ask_many(count: int) -> int:
    """Waits for a group."""
    return sum(group.of(answer, [(number,) for number in range(count)]).delay().results(timeout=60))


@task
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


@task
def add_up(count: int) -> int:
    """Reads a stream."""
    return sum(numbers.delay(count))
