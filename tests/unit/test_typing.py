"""What type checkers know of tasks: checked by mypy with everything else, which reports an exemption without a use."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, assert_type

from supervisor import Chain, Group, GroupHandle, Handle, Step, chain, group, task


@task
def plain(left: int, right: str = "") -> list[int]:
    return [left, len(right)]


@task(timeout=5)
def optioned(left: int) -> None:
    return None


@task
async def later(left: int) -> str:
    return str(left)


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
        assert_type(plain.step(1, "x"), Step[list[int]]),
        assert_type(plain.step("x"), Step[list[int]]),  # its first argument comes from the step before
        assert_type(later.step(), Step[str]),
        assert_type(chain(plain.step(1), later.step()), Chain[str]),
        assert_type(chain(plain.step(1), plain.step(), later.step()).delay(), Handle[str]),
        assert_type(chain(plain.step(1), group(later.step(), later.step())), Group[str]),
        assert_type(group(plain.step(1), plain.step(2)).delay().results(), list[list[int]]),
        assert_type(group(plain.step(1), plain.step(2)).then(later.step()).delay(), Handle[str]),
        assert_type(group.of(later, [(1,)]).delay(), GroupHandle[str]),
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
        plain.step(1, 2, 3),  # type: ignore[call-overload]
        plain.step(wrong=1),  # type: ignore[call-overload]
        later.step("x", 2),  # type: ignore[call-overload]
        group(1),  # type: ignore[arg-type]
        chain(plain.step(1), 2),  # type: ignore[call-overload]
    ]


def test_the_sample_is_read_by_the_type_checker() -> None:
    assert not TYPE_CHECKING
    assert plain(1, "x") == [1, 1]
    assert optioned(1) is None
