"""Tasks that wait for tasks."""

from __future__ import annotations

from collections.abc import Iterator

from supervisor import TaskQueue, group, task


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
