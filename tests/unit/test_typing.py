"""What type checkers know of tasks: checked by mypy with everything else, which reports an exemption without a use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Generator, Iterator
from typing import TYPE_CHECKING, Any, assert_type

from supervisor import Handle, StreamHandle, task


@task
def plain(left: int, right: str = "") -> list[int]:
    return [left, len(right)]


@task(timeout=5)
def optioned(left: int) -> None:
    return None


@task
async def later(left: int) -> str:
    return str(left)


@task
def counted(most: int) -> Generator[int, None, str]:
    yield from range(most)
    return "all"


@task(timeout=5)
def iterated(most: int) -> Iterator[str]:
    yield from map(str, range(most))


@task
async def later_iterated(most: int) -> AsyncIterator[bytes]:
    for number in range(most):
        yield bytes(number)


async def streamed() -> list[object]:
    """Never called: read by the type checker."""
    handle = counted.delay(1)
    return [
        assert_type(handle, StreamHandle[int, str]),
        assert_type(handle.result(), str),
        [assert_type(item, int) for item in handle],
        [assert_type(item, int) async for item in handle],
        [assert_type(item, int) for item in handle.stream(restart="raise")],
        [assert_type(item, str) for item in iterated.options(timeout=3).delay(1)],
        [assert_type(item, bytes) async for item in await later_iterated.adelay(1)],
        assert_type(counted.map([(1,)]), list[StreamHandle[int, str]]),
        assert_type(await later_iterated.amap([(1,)]), list[StreamHandle[bytes, Any]]),
    ]


async def known() -> list[object]:
    """Never called: read by the type checker."""
    running: Coroutine[Any, Any, str] = later(1)
    return [
        assert_type(plain(1, "x"), list[int]),
        assert_type(plain.delay(1, right="x"), Handle[list[int]]),
        assert_type(plain.delay(1).result(), list[int]),
        assert_type(await plain.adelay(1), Handle[list[int]]),
        assert_type(plain.options(timeout=3).delay(1), Handle[list[int]]),
        assert_type(plain.map([(1,)]), list[Handle[list[int]]]),
        assert_type(optioned.delay(1), Handle[None]),
        assert_type(later.delay(1), Handle[str]),
        assert_type(later.options(priority="high").delay(1), Handle[str]),
        assert_type(await (await later.adelay(1)).aresult(), str),
        assert_type(await later.amap([(1,)]), list[Handle[str]]),
        assert_type(await running, str),
    ]


def refused() -> list[object]:
    """Never called: each line is a mistake that a type checker finds."""
    return [
        plain.delay("x"),  # type: ignore[arg-type]
        plain.delay(),  # type: ignore[call-arg]
        plain.delay(1, "x", 3),  # type: ignore[call-arg]
        plain.delay(1, wrong=3),  # type: ignore[call-arg]
        later.delay("x"),  # type: ignore[call-overload]
        plain("x"),  # type: ignore[arg-type]
        plain.options(timout=3),  # type: ignore[call-arg]
        list(plain.delay(1)),  # type: ignore[call-overload]
        counted.delay("x"),  # type: ignore[call-overload]
        counted.delay(1).stream(restart="again"),  # type: ignore[arg-type]
    ]


def test_the_sample_is_read_by_the_type_checker() -> None:
    assert not TYPE_CHECKING
    assert plain(1, "x") == [1, 1]
    assert optioned(1) is None
