"""Tasks that are put together by tests."""

from __future__ import annotations

from supervisor import task


@task
def add(left: int, right: int) -> int:
    return left + right


@task
def double(value: int) -> int:
    return 2 * value


@task
def total(values: list[int]) -> int:
    return sum(values)
