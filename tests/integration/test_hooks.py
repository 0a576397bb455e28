"""Hooks: each in its process, with what is documented, once, whatever is killed."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from supervisor import (
    Cause,
    HookSignatureError,
    NewTask,
    State,
    TaskConfig,
    TaskOptionError,
    TaskQueue,
    chain,
    group,
    on_backlog,
    on_death,
    on_post_create,
    on_post_run,
    on_pre_create,
    on_pre_run,
)
from tests.conftest import MakeTree
from tests.support import hook_tasks
from tests.support.havoc import kill_broker, kill_everything, kill_master
from tests.support.shared import ended, running
from tests.support.tree import RunningTree
from tests.support.waiting import until

MODULES = ["tests.support.tasks", "tests.support.hook_tasks"]
WAIT = 60.0


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with running(tmp_path_factory.mktemp("hooks"), tasks=MODULES) as tree:
        yield tree


@pytest.fixture
def queue(shared: RunningTree) -> TaskQueue:
    return shared.queue


def lines(tree: RunningTree, name: str, task_id: str = "") -> list[dict[str, Any]]:
    """What hooks have written, of one task."""
    path = tree.folder / name
    found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [line for line in found if line.get("id") == task_id or not task_id]


# -- registering -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decorator", "called"),
    [
        (on_pre_create, "on_pre_create(task)"),
        (on_post_create, "on_post_create(task)"),
        (on_pre_run, "on_pre_run(task)"),
        (on_post_run, "on_post_run(task, result=None, error=None)"),
        (on_death, "on_death(task)"),
        (on_backlog, "on_backlog(queue, depth)"),
    ],
)
def test_a_hook_with_a_wrong_signature_is_refused_where_it_is_registered(decorator: Any, called: str) -> None:
    with pytest.raises(HookSignatureError) as caught:
        decorator(lambda: None)

    assert called in str(caught.value)
    assert "cannot be a hook that is called as" in str(caught.value)
    assert isinstance(caught.value, TypeError)
    with pytest.raises(TypeError, match="is no function"):
        decorator(5)


# -- in the process that submits ---------------------------------------------------------------------------------


def test_a_hook_may_change_what_is_submitted_in_every_way(queue: TaskQueue) -> None:
    accepted: list[str] = []

    @on_pre_create
    async def change(task: NewTask) -> None:
        await asyncio.sleep(0)
        assert task.id == ""
        if task.name.endswith("note"):
            task.args = (*task.args, "more")
            task.kwargs["by"] = "a hook"
        task.options["priority"] = 5
        task.context["workspace"] = "w7"

    @on_post_create
    def accept(task: NewTask) -> None:
        accepted.append(task.id)

    wanted: Any = [["first", "more"], {"by": "a hook"}]
    ids = [hook_tasks.note.on(queue).delay("first").id, queue.submit(hook_tasks.note, "first")]
    ids += [handle.id for handle in hook_tasks.note.on(queue).map([("first",), ("first",)])]

    async def within_a_loop() -> list[str]:
        blocking = hook_tasks.note.on(queue).delay("first").id  # in a thread of its own, since this one has a loop
        native = (await hook_tasks.note.on(queue).adelay("first")).id
        many = [handle.id for handle in await hook_tasks.note.on(queue).amap([("first",)])]
        return [blocking, native, *many]

    ids += asyncio.run(within_a_loop())
    by_name = [queue.enqueue("hooked", {"a": 1}), asyncio.run(queue.aenqueue("hooked", {"a": 1}))]
    for task_id in ids:
        record = queue.wait(task_id, WAIT)
        assert (record.result, record.priority, record.context) == (wanted, 5, {"workspace": "w7"})
    for task_id in by_name:
        record = queue.wait(task_id, WAIT)
        assert (record.result, record.priority, record.context) == ({"a": 1}, 5, {"workspace": "w7"})
    with queue.task_context(hook_tasks.note, "first") as task_id:
        assert queue.wait(task_id, WAIT).result == wanted
    assert accepted == [*ids, *by_name, task_id]


def test_hooks_see_each_step_of_what_belongs_together(queue: TaskQueue) -> None:
    accepted: list[str] = []
    on_post_create(lambda task: accepted.append(task.id))

    @on_pre_create
    def change(task: NewTask) -> None:
        task.kwargs["by"] = "a hook"

    note = hook_tasks.note.on(queue)
    last = chain(note.step("first"), note.step("second")).delay()
    first: Any = [["first"], {"by": "a hook"}]
    assert last.result(timeout=WAIT) == [[first, "second"], {"by": "a hook"}]
    several = asyncio.run(group.of(note, [("a",), ("b",)]).adelay())
    assert several.results(timeout=WAIT) == [[["a"], {"by": "a hook"}], [["b"], {"by": "a hook"}]]
    assert accepted[1:] == [last.id, *(handle.id for handle in several.handles)]


def test_a_hook_may_refuse_a_submit(queue: TaskQueue) -> None:
    accepted: list[str] = []
    on_post_create(lambda task: accepted.append(task.id))

    @on_pre_create
    def refuse(task: NewTask) -> None:
        if task.kwargs.get("forbidden"):
            raise PermissionError("not by you")

    with pytest.raises(PermissionError, match="not by you"):
        queue.submit(hook_tasks.note, forbidden=True)
    with pytest.raises(PermissionError):
        asyncio.run(queue.asubmit(hook_tasks.note, forbidden=True))
    assert accepted == []

    @on_pre_create
    def misspell(task: NewTask) -> None:
        task.options["max_retry"] = 5

    with pytest.raises(TaskOptionError, match="max_retries"):
        queue.submit(hook_tasks.note)


def test_what_stands_for_a_task_is_no_new_one(queue: TaskQueue) -> None:
    accepted: list[str] = []
    on_post_create(lambda task: accepted.append(task.id))
    held = hook_tasks.note.on(queue).options(unique="one of a kind", delay=600)
    first = held.delay()
    assert held.delay().id == first.id
    assert accepted == [first.id]
    first.cancel()


def test_hooks_run_in_the_thread_that_submits_where_they_can(queue: TaskQueue) -> None:
    seen: list[int] = []
    on_pre_create(lambda task: seen.append(threading.get_ident()))
    queue.submit(hook_tasks.note)
    asyncio.run(queue.asubmit(hook_tasks.note))
    assert seen == [threading.get_ident()] * 2


# -- in the worker -----------------------------------------------------------------------------------------------


def test_hooks_run_around_each_attempt(shared: RunningTree) -> None:
    handle = hook_tasks.fail_twice.on(shared.queue).options(context={"workspace": "w7"}).delay()
    assert ended(shared.queue, handle.id).state is State.FAILED
    runs = lines(shared, "runs", handle.id)
    assert [(line["at"], line.get("attempt")) for line in runs[::2]] == [("begin", 1), ("begin", 2)]
    assert [line["error"] for line in runs[1::2]] == ["ValueError('attempt 1')", "ValueError('attempt 2')"]
    assert {line["workspace"] for line in runs[1::2]} == {"w7!"}


def test_what_a_hook_sets_is_set_in_the_task_and_not_in_the_next(queue: TaskQueue) -> None:
    where = hook_tasks.where.on(queue)
    assert where.options(context={"workspace": "w7"}).delay().result(WAIT) == ["w7!", "blue"]
    for _ in range(4):
        assert where.delay().result(WAIT) == ["none!", "blue"]


def test_a_hook_that_fails_before_the_task_fails_the_attempt(shared: RunningTree) -> None:
    handle = hook_tasks.where.on(shared.queue).options(context={"refuse": True}, max_retries=0).delay()
    record = ended(shared.queue, handle.id)
    assert record.state is State.FAILED
    assert record.error is not None
    assert record.error.type == "PermissionError"
    assert "in begin" in record.error.traceback
    assert "supervisor/worker" not in record.error.traceback, "none of our own frames"
    assert lines(shared, "runs", handle.id)[-1]["error"] == "PermissionError('refused by a hook')"


def test_a_hook_that_fails_after_the_task_changes_nothing(shared: RunningTree) -> None:
    handle = hook_tasks.where.on(shared.queue).options(context={"spoil": True}).delay()
    assert handle.result(WAIT) == ["none!", "blue"]
    assert "RuntimeError: spoilt by a hook" in handle.record().output
    assert "hook tests.support.hook_tasks.end failed after task" in handle.record().output, "logged"


# -- deaths ------------------------------------------------------------------------------------------------------


def deaths(tree: RunningTree, task_id: str, count: int = 1) -> list[dict[str, Any]]:
    """What was written of the deaths of a task, once there are so many and nobody is at it any more."""
    until(lambda: len(lines(tree, "deaths", task_id)) >= count, f"the death of {task_id}; {tree.tail()}", WAIT)
    quiet(tree)
    return lines(tree, "deaths", task_id)


def quiet(tree: RunningTree) -> None:
    """Wait until nothing is left to be done."""
    until(lambda: not tree.queue.stats().unfinished, "an empty queue", WAIT)


@pytest.mark.parametrize(
    ("how", "state", "cause"),
    [
        ("raise", State.FAILED, Cause.EXCEPTION),
        ("kill", State.LOST, Cause.SIGNAL),
        ("hang", State.TIMED_OUT, Cause.TIMEOUT),
    ],
)
def test_a_death_is_told_once(shared: RunningTree, how: str, state: State, cause: Cause) -> None:
    handle = hook_tasks.die.on(shared.queue).options(timeout=0.3 if how == "hang" else 30).delay(how)
    assert ended(shared.queue, handle.id).state is state
    (told,) = deaths(shared, handle.id)
    assert (told["state"], told["cause"], told["attempts"], told["retried"]) == (state, cause, 1, 0)
    assert told["name"] == "tests.support.hook_tasks.die"
    assert told["own"] == "supervisor.on_death"
    if how == "raise":
        assert told["error"] == "ValueError: as asked"


def test_a_task_that_dies_after_its_handler_was_asked_is_told_of(shared: RunningTree) -> None:
    handle = hook_tasks.ask_and_die.on(shared.queue).delay()
    assert ended(shared.queue, handle.id).state is State.LOST
    (told,) = deaths(shared, handle.id)
    assert (told["cause"], told["attempts"]) == (Cause.SIGNAL, 1)


def test_a_task_that_is_retried_by_hand_dies_again(shared: RunningTree) -> None:
    handle = hook_tasks.die.on(shared.queue).delay()
    assert len(deaths(shared, handle.id)) == 1
    assert handle.retry()
    assert [line["retried"] for line in deaths(shared, handle.id, 2)] == [0, 1]


def test_only_deaths_are_told(shared: RunningTree) -> None:
    queue = shared.queue
    ids = [
        hook_tasks.note.on(queue).delay().id,
        hook_tasks.fail_twice.on(queue).options(max_retries=0, delay=600).delay().id,
        hook_tasks.note.on(queue).options(delay=600, expires=0.05).delay().id,
    ]
    queue.cancel(ids[1])
    states = [ended(queue, task_id).state for task_id in ids]
    assert states == [State.SUCCEEDED, State.CANCELLED, State.EXPIRED]
    marker = hook_tasks.die.on(queue).delay()
    assert len(deaths(shared, marker.id)) == 1
    assert all(lines(shared, "deaths", task_id) == [] for task_id in ids)


def test_a_hook_that_fails_is_called_again_and_the_others_are_not(shared: RunningTree) -> None:
    handle = hook_tasks.hard_to_mourn.on(shared.queue).delay()
    until(lambda: len(lines(shared, "mourning", handle.id)) == 3, "the third attempt", WAIT)
    assert len(deaths(shared, handle.id)) == 1
    assert [line["attempt"] for line in lines(shared, "mourning", handle.id)] == [1, 2, 3]


def test_the_supervisors_own_tasks_are_in_nobodys_numbers(shared: RunningTree) -> None:
    queue = shared.queue
    quiet(shared)
    before = queue.stats().total.ended
    handle = hook_tasks.die.on(queue).delay()
    deaths(shared, handle.id)
    after = queue.stats().total.ended
    assert {state: after[state] - before.get(state, 0) for state in after if after[state] != before.get(state, 0)} == {
        "failed": 1
    }
    assert "supervisor" not in [each["name"] for each in queue.queues()]
    assert lines(shared, "runs") == [line for line in lines(shared, "runs") if "on_death" not in line.get("name", "")]


@pytest.mark.parametrize("strike", [kill_broker, kill_master, kill_everything])
def test_a_death_is_told_once_whatever_is_killed_right_after_the_end(
    make_tree: MakeTree, strike: Callable[[RunningTree], None]
) -> None:
    tree = make_tree(tasks=MODULES, cpus="off")
    tree.queue.pause("supervisor")  # so that it is not told before the kill
    handles = [hook_tasks.die.on(tree.queue).delay(how) for how in ("raise", "kill")]
    for handle in handles:
        assert ended(tree.queue, handle.id).state.ended
    strike(tree)
    if strike is kill_everything:
        tree.start()
    until(lambda: tree.status() and tree.queue.stats(), "a tree that answers", WAIT)
    tree.queue.resume("supervisor")
    for handle in handles:
        assert len(deaths(tree, handle.id)) == 1


def test_a_death_by_the_kill_of_everything_is_told(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES, cpus="off", workers=1, abort_budget=1)
    handle = hook_tasks.die.on(tree.queue).delay("hang")
    until(lambda: handle.state() is State.RUNNING, "its start", WAIT)
    kill_everything(tree)
    tree.start()
    assert ended(tree.queue, handle.id).state is State.LOST
    (told,) = deaths(tree, handle.id)
    assert told["cause"] == Cause.ABORT, "though it ended before the code with the hook was imported"


def test_json_only_has_hooks_too(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES, cpus="off", workers=1, payloads="json", backlog_threshold=2)
    handle = hook_tasks.die.on(tree.queue).delay("kill")
    assert len(deaths(tree, handle.id)) == 1
    tree.queue.pause()
    for _ in range(3):
        tree.queue.submit(hook_tasks.note)
    until(lambda: lines(tree, "backlogs"), "the backlog", WAIT)


# -- backlogs ----------------------------------------------------------------------------------------------------


def test_a_backlog_is_told_once_until_it_has_halved(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES, cpus="off", workers=1, backlog_threshold=10)
    queue = tree.queue
    queue.pause()
    fill = TaskConfig()
    ids = queue.submit_many(hook_tasks.note, [() for _ in range(10)], config=fill)
    queue.submit(hook_tasks.die, config=TaskConfig(queue="other"))  # time passes
    ids += queue.submit_many(hook_tasks.note, [() for _ in range(5)], config=fill)
    until(lambda: lines(tree, "backlogs"), "the backlog", WAIT)
    (told,) = lines(tree, "backlogs")
    assert (told["queue"], told["depth"]) == ("default", 15)
    assert "15 tasks wait in queue default" in tree.log.read_text()
    for task_id in ids[:6]:  # nine are left: fewer, but more than half
        queue.cancel(task_id)
    ids += queue.submit_many(hook_tasks.note, [() for _ in range(5)], config=fill)
    before = tree.pid_of("broker")
    kill_broker(tree)
    until(lambda: tree.pid_of("broker") not in (0, before), "a new broker", WAIT)
    ids += queue.submit_many(hook_tasks.note, [() for _ in range(5)], config=fill)
    queue.resume()
    for task_id in ids:
        ended(queue, task_id)
    queue.pause()
    assert len(lines(tree, "backlogs")) == 1, "once, restarts included"
    queue.submit_many(hook_tasks.note, [() for _ in range(11)], config=fill)
    until(lambda: len(lines(tree, "backlogs")) == 2, "the next backlog", WAIT)
    assert lines(tree, "backlogs")[1]["depth"] == 11


def test_without_hooks_and_with_the_threshold_off_nothing_is_submitted(make_tree: MakeTree) -> None:
    tree = make_tree(cpus="off", workers=1, backlog_threshold="none")
    tree.queue.pause()
    ids = tree.queue.submit_many(hook_tasks.note, [() for _ in range(20)])
    tree.queue.resume()
    for task_id in ids:
        ended(tree.queue, task_id)
    handle = hook_tasks.die.on(tree.queue).delay()
    assert ended(tree.queue, handle.id).state is State.FAILED
    assert tree.queue.stats().unfinished == {}
    assert not list(tree.folder.glob("deaths")), os.listdir(tree.folder)
    assert "wait in queue" not in tree.log.read_text()
