"""Tasks that tests put together."""

from __future__ import annotations

import os
import time
from pathlib import Path

from supervisor import current_task, queue, task
from supervisor.errors import SupervisorError

LARGE = 300_000


@task
def add(left: int, right: int) -> int:
    return left + right


@task
async def double(value: int) -> int:
    return 2 * value


@task
def total(values: list[int]) -> int:
    return sum(values)


@task(max_retries=0)
def fail(*values: object) -> int:
    raise ValueError(f"as asked, with {len(values)}")


@task
def tell(*values: object) -> list[str]:
    """What it was given, as text; errors by type and message."""
    return [described(value) for value in values]


def described(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(described(each) for each in value)}]"
    return f"{type(value).__name__}: {value}" if isinstance(value, SupervisorError) else repr(value)


@task
def large(size: int) -> bytes:
    return b"x" * size


@task
def size_of(value: bytes) -> int:
    return len(value)


@task
def sizes_of(values: list[bytes]) -> list[int]:
    return [len(value) for value in values]


@task
def note(folder: str, name: str, value: int = 0) -> int:
    """Leave a line a run, wait while there is a gate, and give back one more than it was given."""
    with Path(folder, name).open("a") as file:
        file.write(f"{os.getpid()} {current_task().attempt}\n")
    gate = Path(folder, f"{name}.gate")
    while gate.exists():
        time.sleep(0.002)
    return value + 1


@task
def noted(value: int, folder: str, name: str) -> int:
    """The same behind another."""
    return note(folder, name, value)


@task
def gathered(values: list[int], folder: str, name: str) -> int:
    """The same behind a group."""
    return note(folder, name, sum(values))


@task
def greedy(parent: str, timeout: int, config: str, on_parent_failure: str, options: str, name: str) -> str:
    """Its arguments are called as options are."""
    return f"{parent} {timeout} {config} {on_parent_failure} {options} {name}"


@task
def wait_for_my_child(directory: str) -> str:
    """Waits for a task that waits for this one."""
    queue.use(directory)
    child = double.options(parent=current_task().id).step(1).delay()
    grandchild = double.options(parent=child).step(1).delay()
    try:
        grandchild.result(20)
    except SupervisorError as error:
        return f"{type(error).__name__}: {error}"
    return "it ended"


@task(max_retries=0)
def wait_for(directory: str, path: str) -> str:
    """Waits for the task whose id will be in a file."""
    queue.use(directory)
    while not Path(path).exists():
        time.sleep(0.002)
    try:
        return str(queue.wait(Path(path).read_text(), 20).result)
    except SupervisorError as error:
        return type(error).__name__
