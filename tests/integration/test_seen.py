"""What is seen of a task while it runs and after: progress, context, profile, arguments; through kills, too."""

from __future__ import annotations

import asyncio
import contextvars
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor import (
    HIDDEN,
    NotInTaskError,
    PayloadRefusedError,
    SerializationError,
    State,
    TaskConfig,
    TaskOptionError,
    TaskProgress,
    TaskQueue,
    UnknownTaskError,
    current_task,
    get_context,
    set_context,
    task,
    track,
)
from tests.conftest import MakeTree
from tests.support import seen_tasks, tasks
from tests.support.havoc import kill_broker, kill_everything, kill_master
from tests.support.script import run_script
from tests.support.shared import ended, running, written
from tests.support.tree import RunningTree
from tests.support.waiting import until

MODULES = ["tests.support.tasks", "tests.support.seen_tasks"]
WAIT = 60.0
TOLD = {"step": {"name": "copying", "files": [1, 2, 3]}}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with running(tmp_path_factory.mktemp("seen"), tasks=MODULES) as tree:
        yield tree


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    """One that takes JSON only."""
    with running(tmp_path_factory.mktemp("plain"), tasks=MODULES, payloads="json", workers=1) as tree:
        yield tree


@pytest.fixture
def queue(shared: RunningTree) -> TaskQueue:
    return shared.queue


def progress(queue: TaskQueue, task_id: str) -> TaskProgress:
    found = queue.get_progress(task_id)
    assert found is not None
    return found


def told(queue: TaskQueue, task_id: str, message: str) -> TaskProgress | None:
    """Its progress, once it said this."""
    found = progress(queue, task_id)
    return found if found.message == message else None


def result(queue: TaskQueue, submitted: Any, *args: Any) -> Any:
    return submitted.on(queue).delay(*args).result(WAIT)


# -- progress ----------------------------------------------------------------------------------------------------


def test_progress_has_a_rate_and_an_estimate(queue: TaskQueue, tmp_path: Path) -> None:
    def work(first: str, second: str) -> None:
        current_task().progress(0, 100, "begins")
        tasks.wait_for_file(first, WAIT)
        current_task().progress(50, 100, "half")
        tasks.wait_for_file(second, WAIT)

    gates = [tmp_path / "first", tmp_path / "second"]
    task_id = queue.submit(work, *map(str, gates))
    begun = until(lambda: told(queue, task_id, "begins"), "the first report", WAIT)
    assert (begun.state, begun.percent, begun.rate, begun.estimated_completion) == (State.RUNNING, 0.0, None, None)
    until(lambda: time.time() > (begun.updated_at or 0) + 0.2, "some time")  # a second report is not sent at once
    gates[0].touch()
    half = until(lambda: told(queue, task_id, "half"), "the second report", WAIT)
    assert half.rate is not None
    assert half.updated_at is not None
    assert begun.updated_at is not None
    assert half.rate == pytest.approx(50 / (half.updated_at - begun.updated_at), rel=0.05)
    assert half.estimated_completion == pytest.approx(half.updated_at + 50 / half.rate)
    assert half.started_at is not None
    assert half.created_at <= half.started_at <= begun.updated_at
    gates[1].touch()
    record = queue.wait(task_id, WAIT)
    last = progress(queue, task_id)
    assert (last.state, last.percent, last.done, last.estimated_completion) == (State.SUCCEEDED, 100.0, 50.0, None)
    assert last.ended_at == record.ended_at
    assert last.attempt == 1


@pytest.mark.parametrize("counting", [seen_tasks.count, seen_tasks.count_unknown, seen_tasks.count_async])
def test_going_through_something_tells_how_far_it_is(queue: TaskQueue, counting: Any) -> None:
    handle = counting.on(queue).delay(300)
    assert handle.result(WAIT) == 300
    told = handle.record().progress
    assert told is not None
    assert told.done == 300, "the last is always told"
    assert told.total == (None if counting is seen_tasks.count_unknown else 300)
    assert handle.progress().percent == 100


def test_outside_of_tasks_things_are_just_gone_through() -> None:
    assert list(track([1, 2, 3])) == [1, 2, 3]
    with pytest.raises(TypeError, match="not iterable"):
        track(5)  # type: ignore[call-overload]
    with pytest.raises(NotInTaskError):
        set_context("a", 1)
    with pytest.raises(NotInTaskError):
        get_context()


def test_progress_without_blocking_an_event_loop(queue: TaskQueue) -> None:
    async def go() -> None:
        handle = await seen_tasks.count.on(queue).adelay(5)
        await handle.aresult(WAIT)
        assert (await handle.aprogress()).done == 5
        found = await queue.aget_progress(handle.id)
        assert found is not None
        assert found.done == 5
        assert await queue.aget_progress("0" * 32) is None
        assert await queue.aget_arguments(handle.id) == {"total": 5}

    asyncio.run(go())
    assert queue.get_progress("0" * 32) is None


# -- kills -------------------------------------------------------------------------------------------------------


def begun(tree: RunningTree) -> tuple[Any, int, Path]:
    """A task that has told, and waits: its handle, its pid, its gate."""
    place = tree.folder / f"begun{time.monotonic_ns()}"
    gate = place.with_suffix(".gate")
    handle = seen_tasks.tell_and_die.on(tree.queue).delay(str(place), str(gate))
    return handle, int(written(place)), gate


def test_progress_and_context_of_a_killed_attempt_are_kept(shared: RunningTree) -> None:
    handle, pid, _ = begun(shared)
    os.kill(pid, signal.SIGKILL)
    assert handle.result(WAIT) == {"context": TOLD, "attempt": 2}
    first, second = shared.queue.attempts(handle.id)
    assert first.progress is not None
    assert (first.progress.done, first.progress.total, first.progress.message) == (3, 10, "three of ten")
    assert second.progress is None, "it told none"
    record = handle.record()
    assert record.context == TOLD
    assert record.progress is None, "that of the last attempt"


def test_they_outlive_the_broker_while_the_task_runs_on(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES, cpus="off", workers=1)
    handle, _, gate = begun(tree)
    until(lambda: handle.progress().done == 3 and handle.progress().context == TOLD, "what it told", WAIT)
    before = tree.pid_of("broker")
    kill_broker(tree)
    until(lambda: tree.pid_of("broker") not in (0, before), "a new broker", WAIT)
    found = handle.progress()
    assert (found.done, found.message, found.context) == (3, "three of ten", TOLD)
    gate.touch()
    assert handle.result(WAIT) == {"context": TOLD, "attempt": 1}, "and nothing happened to it"


@pytest.mark.parametrize("strike", [kill_master, kill_everything])
def test_they_outlive_everything(make_tree: MakeTree, strike: Callable[[RunningTree], None]) -> None:
    tree = make_tree(tasks=MODULES, cpus="off", workers=1)
    handle, _, _ = begun(tree)
    until(lambda: handle.progress().done == 3 and handle.progress().context == TOLD, "what it told", WAIT)
    strike(tree)
    if strike is kill_everything:
        tree.start()
    assert handle.result(WAIT) == {"context": TOLD, "attempt": 2}
    first = tree.queue.attempts(handle.id)[0]
    assert first.progress is not None
    assert first.progress.done == 3


# -- context -----------------------------------------------------------------------------------------------------


def test_a_context_is_put_in_by_threads_and_children_whole(queue: TaskQueue) -> None:
    handle = seen_tasks.set_many_ways.on(queue).delay()
    own = handle.result(WAIT)
    context = handle.record().context
    assert len(context["threads"]) == 20
    assert all(value == "x" * 1500 + key[1:] for key, value in context["threads"].items())
    assert context["child"] == {"pid": "c" * 8000}
    assert own["threads"] == context["threads"]
    assert "child" not in own, "a child has a copy"


def test_what_is_not_committed_is_seen_by_nobody_until_it_is(queue: TaskQueue, tmp_path: Path) -> None:
    place, gate = tmp_path / "place", tmp_path / "gate"
    handle = seen_tasks.commit_by_hand.on(queue).delay(str(place), str(gate))
    until(lambda: place.exists() and place.read_text() == "put", "it put something in", WAIT)
    assert progress(queue, handle.id).context == {}
    gate.touch()
    until(lambda: progress(queue, handle.id).context == {"a": 1}, "what was committed", WAIT)
    Path(f"{gate}2").touch()
    assert handle.result(WAIT) == {"a": 1, "nothing": "nothing"}
    assert handle.record().context == {"a": 1, "b": 2}, "the end commits"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("plain", "'a' cannot be put into the context: a object is no plain data"),
        ("large", "may take 65,536; keep large data in a file"),
        ("path", "'number' holds a int, and no mapping"),
        ("empty", "a part of its key is empty"),
    ],
)
def test_what_cannot_be_in_a_context_is_told(queue: TaskQueue, kind: str, words: str) -> None:
    handle = seen_tasks.refused_context.on(queue).delay(kind)
    said = handle.result(WAIT)
    assert said.startswith("ContextError")
    assert words in said
    assert handle.record().context == {"number": 5}, "the rest is as it was"


def test_a_context_can_begin_with_something_and_is_there_when_a_task_is_retried(queue: TaskQueue) -> None:
    handle = seen_tasks.context_of.on(queue).options(context={"order": {"id": 7}}, retry_delay=0).delay(2)
    assert handle.result(WAIT) == {"order": {"id": 7}, "seen": 1}
    assert handle.record().context == {"order": {"id": 7}, "seen": 1}
    assert handle.retry()
    until(lambda: handle.state() is State.SUCCEEDED and handle.record().retried == 1, "the end", WAIT)
    assert handle.result(WAIT) == {"order": {"id": 7}, "seen": 1}
    with pytest.raises(TaskOptionError, match="a mapping of plain data"):
        TaskConfig(context={"a": object()})
    with pytest.raises(TaskOptionError, match="65,536"):
        TaskConfig(context={"a": "x" * 70_000})


def test_the_options_of_what_is_registered_travel_by_name(plain: RunningTree) -> None:
    assert result(plain.queue, seen_tasks.context_of.options(context={"a": 1})) == {"a": 1}
    task_id = plain.queue.enqueue("tests.support.seen_tasks.context_of", {"attempts": 1}, context={"b": [1]})
    assert plain.queue.wait(task_id, WAIT).result == {"b": [1]}


# -- profile -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["return", "raise", "threads", "itself"])
def test_a_profile_is_kept_however_an_attempt_ends(queue: TaskQueue, how: str) -> None:
    handle = seen_tasks.profiled.on(queue).delay(how)
    record = ended(queue, handle.id)
    assert record.state is (State.FAILED if how == "raise" else State.SUCCEEDED)
    (attempt,) = queue.attempts(handle.id)
    assert attempt.profile is not None
    assert attempt.profile.cpu_seconds > 0.19
    assert attempt.profile.peak_rss > 30 << 20
    assert "burn" in attempt.profile.text
    if record.error is not None:
        assert "profiling.py" not in record.error.traceback, "none of our own frames"


def test_a_profile_of_a_task_that_is_cancelled(shared: RunningTree, tmp_path: Path) -> None:
    handle = seen_tasks.profiled.on(shared.queue).delay("wait", str(tmp_path / "ready"))
    written(tmp_path / "ready")
    handle.cancel()
    assert ended(shared.queue, handle.id).state is State.CANCELLED
    (attempt,) = shared.queue.attempts(handle.id)
    assert attempt.profile is not None
    assert "burn" in attempt.profile.text


def test_of_an_attempt_that_is_killed_what_was_known_is_kept(queue: TaskQueue) -> None:
    handle = seen_tasks.profiled.on(queue).delay("kill")
    assert ended(queue, handle.id).state is State.LOST
    (attempt,) = queue.attempts(handle.id)
    assert attempt.profile is not None
    assert attempt.profile.cpu_seconds > 0.0
    assert attempt.profile.peak_rss > 30 << 20
    assert attempt.profile.text == ""


def test_no_profile_is_made_unasked_and_one_of_every_task_by_the_setting(
    shared: RunningTree, make_tree: MakeTree
) -> None:
    handle = tasks.add.on(shared.queue).delay(1, 2)
    handle.result(WAIT)
    assert shared.queue.attempts(handle.id)[0].profile is None
    tree = make_tree(profile=True, workers=1, cpus="off")
    handle = tasks.add.on(tree.queue).delay(1, 2)
    handle.result(WAIT)
    assert tree.queue.attempts(handle.id)[0].profile is not None
    handle = tasks.add.on(tree.queue).options(profile=False).delay(1, 2)
    handle.result(WAIT)
    assert tree.queue.attempts(handle.id)[0].profile is None


# -- captured variables ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tree_name", ["shared", "plain"])
def test_captured_variables_travel_and_are_gone_after(tree_name: str, request: pytest.FixtureRequest) -> None:
    tree: RunningTree = request.getfixturevalue(tree_name)

    def submit() -> Any:
        seen_tasks.tenant.set({"id": 7})
        return result(tree.queue, seen_tasks.read_variables)

    assert contextvars.copy_context().run(submit) == [{"id": 7}, "none"]
    for _ in range(2):  # in each worker
        assert result(tree.queue, seen_tasks.read_variables) == ["nobody", "none"]


def test_a_captured_value_that_cannot_cross_is_named(shared: RunningTree, plain: RunningTree) -> None:
    def submit(tree: RunningTree) -> None:
        seen_tasks.tenant.set(each for each in "")
        with pytest.raises(SerializationError, match="context variable 'tenant'"):
            tree.queue.submit(seen_tasks.read_variables)

    for tree in (shared, plain):
        contextvars.copy_context().run(submit, tree)


# -- arguments ---------------------------------------------------------------------------------------------------


class Locked:
    """What cannot be pickled, and says too much about it."""

    def __reduce__(self) -> Any:
        raise ValueError("xyzzy-secret")


def test_arguments_can_be_read_and_hidden_ones_are_not_shown(queue: TaskQueue) -> None:
    def local(left: int, *rest: int, **named: int) -> int:
        return left + sum(rest)

    handle = seen_tasks.log_in.on(queue).delay("ann", "xyzzy-secret", remember=True)
    shown = {"user": "ann", "password": HIDDEN, "remember": True}
    assert queue.get_arguments(handle.id) == shown, "while it may still be waiting"
    assert handle.result(WAIT) == "ann True"
    assert queue.get_arguments(handle.id) == shown
    assert "xyzzy" not in repr(handle.record()) + repr(queue.attempts(handle.id)) + repr(queue.stats())
    assert queue.get_arguments(queue.submit(local, 1, 2, 3, four=4)) == {"left": 1, "rest": (2, 3), "four": 4}
    large = tasks.length.on(queue).delay(b"x" * 200_000)
    assert queue.get_arguments(large.id) == {"data": b"x" * 200_000}
    task_id = queue.enqueue("sign_up", {"user": "ann", "password": "xyzzy-secret"})
    assert queue.get_arguments(task_id) == {"data": {"user": "ann", "password": HIDDEN}}
    with pytest.raises(UnknownTaskError):
        queue.get_arguments("0" * 32)


def test_where_the_function_is_not_known_all_positional_arguments_are_hidden(shared: RunningTree) -> None:
    handle = seen_tasks.log_in.on(shared.queue).delay("ann", "xyzzy-secret", remember=True)
    said = run_script(
        shared,
        """
        import sys
        from supervisor import queue
        sys.modules["tests"] = None  # what is not installed where somebody looks
        print(queue.get_arguments(sys.argv[1]))
        """,
        handle.id,
    )
    assert said.strip() == "{'0': <hidden>, '1': <hidden>, 'remember': True}"


def test_no_error_tells_of_a_hidden_value(shared: RunningTree, plain: RunningTree) -> None:
    for tree in (shared, plain):
        with pytest.raises(SerializationError) as caught:
            tree.queue.submit(seen_tasks.log_in, "ann", Locked())
        assert "xyzzy" not in str(caught.value)
        assert caught.value.__cause__ is None
        with pytest.raises(SerializationError, match="it is hidden") as caught:
            tree.queue.enqueue("sign_up", {"user": "ann", "password": Locked()})
        assert "xyzzy" not in str(caught.value)
        with pytest.raises(SerializationError, match="it is hidden") as caught:
            tree.queue.submit(seen_tasks.log_in, user="ann", password=Locked())
        assert "it is hidden, so the reason is not told" in str(caught.value)
    with pytest.raises(SerializationError, match=r"argument 'left'.*xyzzy"):
        shared.queue.submit(tasks.add, Locked(), 2)
    with pytest.raises(TaskOptionError, match="did you mean 'password'"):

        @task(hidden="passwort")
        def slip(password: str) -> None: ...


def test_json_only_arguments_are_read_as_json_and_no_pickle_is(plain: RunningTree, shared: RunningTree) -> None:
    handle = seen_tasks.log_in.on(plain.queue).delay("ann", "xyzzy-secret")
    assert plain.queue.get_arguments(handle.id) == {"user": "ann", "password": HIDDEN}
    handle.result(WAIT)
    task_id = plain.queue.enqueue("sign_up", {"user": "ann", "password": "xyzzy-secret"})
    assert plain.queue.get_arguments(task_id) == {"data": {"user": "ann", "password": HIDDEN}}


def test_no_pickle_from_before_a_change_to_json_is_opened(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES, workers=1)
    handle = seen_tasks.count.on(tree.queue).delay(3)
    handle.result(WAIT)
    tree.stop()
    tree.settings["payloads"] = "json"
    tree.queue.close()
    tree.start()
    with pytest.raises(PayloadRefusedError, match="it is a pickle"):
        tree.queue.get_arguments(handle.id)


def test_nothing_of_hidden_arguments_is_in_the_log(shared: RunningTree) -> None:
    result(shared.queue, seen_tasks.log_in, "ann", "xyzzy-secret")
    assert "xyzzy" not in shared.log.read_text(errors="replace")
    assert "xyzzy" not in json.dumps(shared.status())
