"""What tasks say and how they work together, in the in-process mode: the same as in a tree."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from supervisor import (
    Cause,
    DeadTask,
    State,
    TaskCancelledError,
    TaskFailedError,
    capture,
    captured,
    chain,
    current_task,
    get_context,
    group,
    on_death,
    on_post_run,
    on_pre_create,
    on_pre_run,
    set_context,
    task,
    track,
)
from supervisor.testing import InProcessQueue, in_process

workspace: ContextVar[str] = ContextVar("workspace", default="none")


@task(max_retries=0)
def double(number: int) -> int:
    if number < 0:
        raise ValueError("negative")
    return 2 * number


@task
def total(numbers: list[Any]) -> int:
    return sum(numbers)


@task
def count(most: int) -> Iterator[int]:
    for number in track(range(most)):
        logging.getLogger("counting").warning("at %d", number, extra={"number": number})
        print("printed", number)
        set_context("last.number", number)
        yield number


@task(timeout=10, max_retries=0)
def take(seconds: float) -> str:
    _clock[0].advance(seconds)
    return workspace.get()


@task
def context_of() -> Any:
    return get_context()


_clock: list[Any] = []


@pytest.fixture
def queue() -> Iterator[InProcessQueue]:
    with in_process() as found:
        _clock[:] = [found.clock]
        yield found


def test_chains_and_groups_hand_on_results(queue: InProcessQueue) -> None:
    assert chain(double.step(1), double.step(), double.step()).delay().result() == 8
    handle = group.of(double, [(number,) for number in range(5)]).delay()
    assert handle.progress().waiting == 5
    assert handle.results() == [0, 2, 4, 6, 8]
    assert handle.progress().percent == 100.0
    chord = group(double.step(1), double.step(2)).then(total.step()).delay()
    assert queue.run_until_idle() == 3
    assert chord.result() == 6


def test_what_depends_on_a_task_that_fails_goes_with_it(queue: InProcessQueue) -> None:
    parent = double.delay(-1)
    child = double.options(parent=parent).delay(1)
    assert child.state() is State.BLOCKED
    with pytest.raises(TaskCancelledError, match="double"):
        child.result()
    assert child.record().cause is Cause.PARENT
    with pytest.raises(TaskFailedError):
        parent.result()


def test_streams_lines_progress_and_context_are_there(queue: InProcessQueue) -> None:
    handle = count.delay(3)
    assert list(handle) == [0, 1, 2]
    lines = [(line.level, line.message, line.extra) for line in handle.logs()]
    assert lines[:2] == [("warning", "at 0", {"number": 0}), ("info", "printed 0", {})]
    assert len(lines) == 6
    record = handle.record()
    assert record.context == {"last": {"number": 2}}
    assert record.progress is not None
    assert (record.progress.done, record.progress.total) == (3.0, 3.0)


def test_hooks_run_where_they_would(queue: InProcessQueue) -> None:
    seen: list[object] = []
    on_pre_create(lambda new: new.context.update(by="a hook"))
    on_pre_run(lambda running: seen.append(("before", running.id)))
    on_post_run(lambda running, result=None, error=None: seen.append((result, type(error).__name__)))

    @on_death
    def mourn(dead: DeadTask) -> None:
        seen.append((dead.id, dead.state))

    good, bad = context_of.delay(), double.delay(-1)
    queue.run_until_idle()
    assert good.result() == {"by": "a hook"}
    assert seen == [
        ("before", good.id),
        ({"by": "a hook"}, "NoneType"),
        ("before", bad.id),
        (None, "ValueError"),
        (bad.id, State.FAILED),
    ]


def test_after_what_counts_as_a_kill_only_the_hook_for_deaths_runs(queue: InProcessQueue) -> None:
    seen: list[object] = []
    on_post_run(lambda running, result=None, error=None: seen.append("after"))
    on_death(lambda dead: seen.append((dead.id, dead.cause)))
    handle = take.delay(11)
    queue.run_until_idle()
    assert seen == [(handle.id, Cause.TIMEOUT)]


@pytest.mark.usefixtures("queue")
def test_captured_variables_are_set_in_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captured, "_captured", {})
    capture(workspace)
    token = workspace.set("w7")
    try:
        handle = take.delay(1)
    finally:
        workspace.reset(token)
    assert handle.result() == "w7"


def test_numbers_are_counted(queue: InProcessQueue) -> None:
    assert double.delay(1).result() == 2
    with pytest.raises(TaskFailedError):
        double.delay(-1).result()
    total = queue.stats().total
    assert (total.succeeded, total.failed, total.error_rate) == (1, 1, 0.5)
    assert total.causes == {"exception": 1}


def test_a_task_knows_itself(queue: InProcessQueue) -> None:
    @task
    def who() -> tuple[str, int]:
        return current_task().id, current_task().attempt

    handle = who.delay()
    queue.run_until_idle()
    assert handle.result() == (handle.id, 1)
