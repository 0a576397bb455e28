"""Tasks that depend on each other, chains and groups, on a real tree."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor import (
    Cause,
    DependencyCycleError,
    GroupProgress,
    QueueFullError,
    ResultExpiredError,
    ScheduleError,
    State,
    Task,
    TaskCancelledError,
    TaskConfig,
    TaskExpiredError,
    TaskFailedError,
    TaskNeededError,
    TaskOptionError,
    TaskQueue,
    UnknownGroupError,
    UnknownTaskError,
    WaitTimeoutError,
    chain,
    group,
    schedule,
)
from supervisor.client import calls
from supervisor.ids import new_id, to_text
from supervisor.payload_files import RESULT
from tests.conftest import MakeTree
from tests.support import together_tasks as tasks
from tests.support.gates import Gated
from tests.support.shared import ended, running
from tests.support.tasks import kill_myself
from tests.support.tree import RunningTree
from tests.support.waiting import until

MODULES = ["tests.support.tasks", "tests.support.together_tasks"]
WAIT = 30.0


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with running(tmp_path_factory.mktemp("together"), tasks=MODULES, inline_limit="64K") as found:
        yield found


@pytest.fixture
def queue(tree: RunningTree) -> TaskQueue:
    return tree.queue


def on(queue: TaskQueue, task: Task[Any, Any]) -> Task[Any, Any]:
    return task.on(queue)


@pytest.fixture
def gated(queue: TaskQueue, tmp_path: Path) -> Iterator[Gated]:
    found = Gated(queue, tmp_path)
    yield found
    found.open_all()


# -- parents -----------------------------------------------------------------------------------------------------


def test_a_child_is_blocked_until_all_its_parents_have_succeeded(queue: TaskQueue, gated: Gated) -> None:
    one, two = gated.submit(gated.close("one")), gated.submit(gated.close("two"))
    child = gated.submit("child", parent=[one, two.id])
    gated.began("one")
    gated.open("one")
    one.result(WAIT)
    assert child.state() is State.BLOCKED
    assert queue.stats().unfinished["blocked"] == 1
    assert child.record().parents == (one.id, two.id)
    assert not gated.runs("child")
    gated.open("two")
    assert child.result(WAIT) == 1
    assert child.record().parents == (one.id, two.id)
    assert (one.record().ended_at or 0) <= (child.record().started_at or 0)
    assert (two.record().ended_at or 0) <= (child.record().started_at or 0)


def test_a_parent_that_has_ended_counts_at_once(queue: TaskQueue) -> None:
    good, bad = on(queue, tasks.add).delay(1, 2), on(queue, tasks.fail).delay()
    good.result(WAIT)
    ended(queue, bad.id)
    assert on(queue, tasks.add).options(parent=good).delay(3, 4).result(WAIT) == 7
    child = on(queue, tasks.add).options(parent=[good, bad]).delay(3, 4)
    assert child.state() is State.CANCELLED
    with pytest.raises(TaskCancelledError, match=rf"its parent {tasks.fail.name} \({bad.id}\) failed"):
        child.result(WAIT)


def test_a_group_can_be_a_parent(queue: TaskQueue) -> None:
    members = group.of(on(queue, tasks.add), [(1, 2), (3, 4)]).delay()
    assert on(queue, tasks.add).options(parent=members).delay(5, 6).result(WAIT) == 11
    assert members.progress().succeeded == 2


@pytest.mark.parametrize(
    ("choice", "state", "error"),
    [
        ("cancel", State.CANCELLED, TaskCancelledError),
        ("fail", State.FAILED, TaskFailedError),
        ("run", State.SUCCEEDED, None),
    ],
)
def test_what_becomes_of_a_child_when_its_parent_fails(
    queue: TaskQueue, gated: Gated, choice: str, state: State, error: type[Exception] | None
) -> None:
    gate = gated.submit(gated.close("gate"))
    parent = on(queue, tasks.fail).options(parent=gate, name="the parent").delay()
    child = gated.submit("child", parent=parent, on_parent_failure=choice, name="the child")
    grandchild = gated.submit("grandchild", parent=child)
    gated.open("gate")
    record = ended(queue, child.id)
    assert record.state is state
    if error is None:
        assert grandchild.result(WAIT) == 1
        return
    assert (record.cause, record.attempt, record.started_at) == (Cause.PARENT, 0, None)
    assert record.error is not None
    assert record.error.message == f"its parent the parent ({parent.id}) failed"
    with pytest.raises(error, match="its parent the parent"):
        child.result(WAIT)
    with pytest.raises(
        TaskCancelledError,
        match=rf"its parent the child \({child.id}\) {'was cancelled' if state is State.CANCELLED else 'failed'}",
    ):
        grandchild.result(WAIT)
    assert not gated.runs("child")
    assert child.id in [letter.id for letter in queue.dead_letters(name="the child")] or state is State.CANCELLED


@pytest.mark.parametrize(
    ("choice", "state"), [("cancel", State.CANCELLED), ("fail", State.FAILED), ("run", State.SUCCEEDED)]
)
def test_what_becomes_of_a_child_when_its_parent_is_cancelled(
    queue: TaskQueue, gated: Gated, choice: str, state: State
) -> None:
    gate = gated.submit(gated.close("gate"))
    parent = gated.submit("parent", parent=gate)
    child = gated.submit("child", parent=parent, on_parent_cancel=choice, on_parent_failure="fail")
    grandchild = gated.submit("grandchild", parent=child, on_parent_cancel="run", on_parent_failure="run")
    assert parent.cancel()
    assert ended(queue, child.id).state is state
    assert grandchild.result(WAIT) == 1, "it chose otherwise"
    assert gate.state() is State.RUNNING, "nothing goes upwards"
    gated.open("gate")


def test_a_blocked_task_can_be_cancelled_can_expire_and_be_given_another_priority(
    queue: TaskQueue, gated: Gated
) -> None:
    gate = gated.submit(gated.close("gate"))
    late = gated.submit("late", parent=gate, expires=0.3)
    behind = gated.submit("behind", parent=late)
    other = gated.submit("other", parent=gate)
    assert queue.set_priority(other.id, 7)
    assert other.record().priority == 7
    with pytest.raises(TaskExpiredError):
        late.result(WAIT)
    with pytest.raises(TaskCancelledError, match="was not started in time"):
        behind.result(WAIT)
    assert other.state() is State.BLOCKED
    gated.open("gate")
    assert other.result(WAIT) == 1


def test_a_delay_begins_when_the_parents_have_ended(queue: TaskQueue, gated: Gated) -> None:
    gate = gated.submit(gated.close("gate"))
    child = gated.submit("child", parent=gate, delay=0.4)
    gated.began("gate")
    gated.open("gate")
    gate.result(WAIT)
    child.result(WAIT)
    assert (child.record().started_at or 0) - (gate.record().ended_at or 0) >= 0.39


def test_what_makes_no_sense_is_refused(queue: TaskQueue) -> None:
    unknown = to_text(new_id())
    with pytest.raises(UnknownTaskError, match=unknown):
        _ = on(queue, tasks.add).options(parent=unknown).delay(1, 2)
    for option in ({"parent": "no id"}, {"parent": 3}, {"on_parent_failure": "explode"}, {"on_parent_cancel": None}):
        with pytest.raises(TaskOptionError, match=next(iter(option))):
            tasks.add.options(**option)
    with pytest.raises(ScheduleError, match="has a parent"):
        schedule.add(tasks.add.options(parent=unknown), (1, 2), every=60, name="with a parent")
    with pytest.raises(UnknownGroupError):
        _ = queue.get_group(unknown)


# -- chains ------------------------------------------------------------------------------------------------------


def test_a_chain_passes_results_on(queue: TaskQueue) -> None:
    add, double, tell = on(queue, tasks.add), on(queue, tasks.double), on(queue, tasks.tell)
    assert chain(add.step(1, 2), add.step(10), double.step()).delay().result(WAIT) == 26
    assert chain(add.step(1, 2), tell.step("alone").alone()).delay().result(WAIT) == ["'alone'"]
    assert chain(add.step(1, 2), tell.step("x"), tell.step()).delay().result(WAIT) == [str(["3", "'x'"])]
    assert add.step(1, 2).delay().result(WAIT) == 3
    assert chain(chain(add.step(1, 1), double.step()), chain(double.step())).delay().result(WAIT) == 8


def test_a_chain_ends_where_a_step_fails(queue: TaskQueue) -> None:
    add, fail = on(queue, tasks.add), on(queue, tasks.fail)
    handle = chain(add.step(1, 2), fail.step().options(name="the middle"), add.step(1), add.step(1)).delay()
    with pytest.raises(TaskCancelledError, match=f"its parent {tasks.add.name}"):
        handle.result(WAIT)
    tell = on(queue, tasks.tell).step().options(on_parent_failure="run")
    (told,) = chain(fail.step().options(name="the middle"), tell).delay().result(WAIT)
    assert told.startswith("TaskFailedError: task ")
    assert "as asked, with 0" in told


def test_steps_can_be_after_others(queue: TaskQueue, gated: Gated) -> None:
    note = on(queue, tasks.note)
    folder = str(gated.folder)
    first = note.step(folder, gated.close("first"))
    left, right = note.step(folder, "left").after(first), note.step(folder, "right").after(first)
    last = note.step(folder, "last").after(left, right).delay()
    gated.began("first")
    assert not gated.runs("left")
    assert last.state() is State.BLOCKED
    gated.open("first")
    assert last.result(WAIT) == 1
    assert [len(gated.runs(name)) for name in ("first", "left", "right", "last")] == [1, 1, 1, 1]


def test_a_circle_is_refused_before_anything_is_submitted(queue: TaskQueue) -> None:
    before = queue.stats().total.ended
    one, two, three = (on(queue, tasks.add).step(1, 2).options(name=name) for name in ("one", "two", "three"))
    other = on(queue, tasks.add).step(1, 2)
    one.after(two)
    two.after(three)
    three.after(one, other)
    with pytest.raises(DependencyCycleError, match="one waits for two waits for three waits for one") as caught:
        chain(other, one).delay()
    assert caught.value.members == ["one", "two", "three"]
    alone = on(queue, tasks.add).step(1, 2).options(name="self")
    with pytest.raises(DependencyCycleError, match="self waits for self"):
        _ = alone.after(alone).delay()
    first, second = on(queue, tasks.add).step(1, 2), on(queue, tasks.add).step(1)
    first.after(second)
    with pytest.raises(DependencyCycleError):
        chain(first, second).delay()
    assert queue.stats().total.ended == before
    assert not queue.stats().unfinished


def test_what_cannot_be_put_together_is_told_in_a_sentence(queue: TaskQueue, tree: RunningTree) -> None:
    step, wrong = on(queue, tasks.add).step(1, 2), object()
    pair = group(on(queue, tasks.add).step(1, 2), on(queue, tasks.add).step(3, 4))
    with pytest.raises(ValueError, match="used twice"):
        _ = group(step, step).delay()
    with pytest.raises(TypeError, match="put a step between"):
        chain(pair, pair)
    with pytest.raises(TypeError, match="a group consists of steps and chains"):
        group(pair)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a chain consists of"):
        chain(step, wrong)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="a chain needs a step"):
        chain()
    with pytest.raises(TypeError, match="not after a Group"):
        step.after(pair)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="without members"):
        _ = group().delay()
    with pytest.raises(ValueError, match="one queue"):
        _ = group(step, tasks.add.on(TaskQueue(tree.folder)).step(1, 2)).delay()


# -- groups ------------------------------------------------------------------------------------------------------


def test_a_group_has_its_results_in_order_and_is_found_again(queue: TaskQueue, tree: RunningTree) -> None:
    handle = group.of(on(queue, tasks.add), [(number, number) for number in range(20)]).delay()
    assert handle.results(WAIT) == [2 * number for number in range(20)]
    assert handle.progress() == GroupProgress(20, 20, 0, 0, 0, 0)
    assert handle.progress().percent == 100
    elsewhere = TaskQueue(tree.dir)
    found = elsewhere.get_group(handle.id)
    assert [each.id for each in found.handles] == [each.id for each in handle.handles]
    assert found.results(WAIT) == handle.results(WAIT)
    elsewhere.close()


def test_the_progress_of_a_group(queue: TaskQueue, gated: Gated) -> None:
    note, folder = on(queue, tasks.note), str(gated.folder)
    handle = group(
        note.step(folder, gated.close("running")),
        on(queue, tasks.fail).step(),
        chain(note.step(folder, gated.close("first")).options(delay=60), note.step(folder, "second").alone()),
    ).delay()
    until(lambda: handle.progress().ended == 1 and gated.runs("running"), "one that has failed", WAIT)
    assert handle.progress() == GroupProgress(3, 0, 1, 0, 1, 1)
    assert handle.progress().percent == pytest.approx(100 / 3)
    with pytest.raises(WaitTimeoutError):
        handle.wait(0.05)
    gated.open("running")
    assert handle.cancel() >= 2, "the last of the chain, and what leads to it"
    assert handle.wait(WAIT).ended == 3
    first, second, third = handle.results(WAIT, return_exceptions=True)
    assert first == 1 or isinstance(first, TaskCancelledError)
    assert isinstance(second, TaskFailedError)
    assert isinstance(third, TaskCancelledError)
    assert not gated.runs("second")
    with pytest.raises((TaskFailedError, TaskCancelledError)):
        handle.results(WAIT)


def test_a_chord_hands_the_results_on_in_order(queue: TaskQueue) -> None:
    add, double, tell, total = (on(queue, each) for each in (tasks.add, tasks.double, tasks.tell, tasks.total))
    members = [add.step(number, 0) for number in range(30)]
    assert group(*members).then(tell.step("own")).delay().result(WAIT) == [str(list(range(30))), "'own'"]
    fan = chain(add.step(1, 2), group(double.step(), add.step(10), chain(double.step(), double.step())), total.step())
    assert fan.delay().result(WAIT) == 6 + 13 + 12
    assert chain(add.step(1, 2), group(double.step(), add.step(10))).delay().results(WAIT) == [6, 13]
    chords = group(*(group.of(add, [(1, each), (2, each)]).then(total.step()) for each in range(3)))
    assert chords.then(tell.step()).delay().result(WAIT) == ["[3, 5, 7]"]
    assert chain(add.step(1, 2), group(), tell.step()).delay().result(WAIT) == ["[]"], "nobody to wait for"


def test_members_that_die_are_in_the_list_of_a_callback_that_runs_all_the_same(queue: TaskQueue) -> None:
    add, tell = on(queue, tasks.add), on(queue, tasks.tell)

    def members() -> Any:
        return group(
            add.step(1, 2),
            on(queue, kill_myself).step(9).options(crash_budget=1, name="dies"),
            on(queue, tasks.fail).step(),
            add.step(3, 4),
        )

    (told,) = members().then(tell.step().options(on_parent_failure="run")).delay().result(WAIT)
    assert told.startswith("[3, WorkerLostError: task ")
    assert "TaskFailedError: task" in told
    assert told.endswith(", 7]")
    with pytest.raises(TaskCancelledError, match="its parent"):
        members().then(tell.step()).delay().result(WAIT)


def test_ten_thousand_members_and_a_callback(queue: TaskQueue) -> None:
    begun = time.monotonic()
    handle = (
        group.of(on(queue, tasks.add), [(number, 0) for number in range(10_000)])
        .then(on(queue, tasks.total).step())
        .delay()
    )
    assert handle.result(90) == sum(range(10_000))
    assert time.monotonic() - begun < 60, "no quadratic cost"


def test_a_group_is_accepted_whole_or_not_at_all(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(tasks=MODULES, queue_limit=20)
    gated = Gated(tree.queue, tmp_path)
    gate = gated.submit(gated.close("gate"))
    add = on(tree.queue, tasks.add)
    for _ in range(9):
        _ = add.options(parent=gate).delay(1, 2)
    with pytest.raises(QueueFullError):
        _ = group.of(add, [(1, 2)] * 10).then(on(tree.queue, tasks.total).step()).delay()
    assert sum(tree.queue.stats().unfinished.values()) == 10, "blocked tasks count"
    assert group.of(add, [(1, 2)] * 9).then(on(tree.queue, tasks.total).step()).delay().result(WAIT) == 27
    gated.open("gate")


# -- results -----------------------------------------------------------------------------------------------------


def test_what_is_handed_on_is_kept_whatever_the_options_say(queue: TaskQueue, tree: RunningTree) -> None:
    add, double = on(queue, tasks.add), on(queue, tasks.double)
    first = add.step(1, 2).options(store_result=False)
    handle = chain(first, double.step().options(delay=1.0)).delay()
    assert handle.result(WAIT) == 6
    second = add.step(1, 2).options(result_ttl=0.1)
    assert chain(second, double.step().options(delay=1.5)).delay().result(WAIT) == 6
    pair = group.of(add.options(store_result=False), [(1, 2), (3, 4)])
    handles = pair.delay()
    assert handles.results(WAIT) == [None, None], "for nobody, and so not kept"


def test_large_results_go_by_file(queue: TaskQueue, tree: RunningTree) -> None:
    large, sizes = on(queue, tasks.large), on(queue, tasks.sizes_of)
    handle = group.of(large, [(tasks.LARGE,), (10,), (tasks.LARGE + 1,)]).then(sizes.step()).delay()
    assert handle.result(WAIT) == [tasks.LARGE, 10, tasks.LARGE + 1]
    assert len(list((tree.dir / "payloads").glob(f"*.{RESULT}"))) >= 2


def test_large_arguments_of_a_group_go_by_file(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES, message_limit="256K")
    members = group.of(on(tree.queue, tasks.size_of), [(b"x" * 20_000,)] * 30)
    assert members.then(on(tree.queue, tasks.total).step()).delay().result(WAIT) == 600_000


# -- again -------------------------------------------------------------------------------------------------------


def test_a_retried_parent_releases_nobody_twice(queue: TaskQueue, gated: Gated) -> None:
    gate = gated.submit(gated.close("gate"))
    parent = on(queue, tasks.fail).delay()
    child = gated.submit("child", parent=[parent, gate], on_parent_failure="run")
    ended(queue, parent.id)
    with pytest.raises(TaskNeededError, match=child.id):
        parent.retry()
    gated.open("gate")
    assert child.result(WAIT) == 1
    assert parent.retry()
    ended(queue, parent.id)
    assert len(gated.runs("child")) == 1


def test_a_retried_child_goes_by_its_parents_as_they_are_now(queue: TaskQueue, gated: Gated) -> None:
    parent = gated.submit(gated.close("parent"), max_retries=0, timeout=0.5)
    child = gated.submit("child", parent=parent)
    assert ended(queue, child.id).state is State.CANCELLED
    assert child.retry()
    assert ended(queue, child.id).state is State.CANCELLED, "its parent has still timed out"
    gated.open("parent")
    assert parent.retry()
    assert child.retry()
    assert child.result(WAIT) == 1
    assert [attempt.cause for attempt in queue.attempts(child.id)] == [Cause.PARENT, Cause.PARENT, None]


def test_a_child_that_failed_is_given_the_result_again(queue: TaskQueue, tmp_path: Path) -> None:
    handle = chain(on(queue, tasks.add).step(1, 2), on(queue, tasks.fail).step()).delay()
    assert ended(queue, handle.id).state is State.FAILED
    assert handle.retry()
    record = until(lambda: (found := handle.record()).retried and found.state.ended and found, "the second end", WAIT)
    assert record.error is not None
    assert record.error.message == "as asked, with 1"


def test_a_repeated_submit_changes_nothing(queue: TaskQueue, gated: Gated) -> None:
    packer = queue._packer()
    config = TaskConfig.of({"parent": gated.submit(gated.close("gate"))})
    submission = packer.call(tasks.note, (str(gated.folder), "child"), {}, config)
    call = calls.submit_many([submission], 5.0)
    (task_id,) = queue._perform(call)
    again = calls.Call(call.method, lambda left, tried: call.arguments(left, True), call.decode, 5.0)
    assert queue._perform(again) == [task_id]
    gated.open("gate")
    queue.wait(to_text(task_id), WAIT)
    assert queue._perform(again) == [task_id]
    assert len(gated.runs("child")) == 1


def test_what_holds_the_unique_key_of_a_step_stands_for_it(queue: TaskQueue, gated: Gated) -> None:
    holder = gated.submit(gated.close("holder"), unique="together")
    step = on(queue, tasks.note).step(str(gated.folder), "never").options(unique="together")
    members = group(step, on(queue, tasks.add).step(1, 2))
    handle = members.then(on(queue, tasks.total).step()).delay()
    assert handle.state() is State.BLOCKED
    gated.open("holder")
    assert handle.result(WAIT) == 1 + 3
    assert holder.state() is State.SUCCEEDED
    assert not gated.runs("never")


# -- waiting inside tasks ------------------------------------------------------------------------------------------


def test_waiting_for_what_waits_for_oneself_is_an_error_at_once(
    queue: TaskQueue, tree: RunningTree, tmp_path: Path
) -> None:
    began = time.monotonic()
    told = on(queue, tasks.wait_for_my_child).delay(str(tree.dir)).result(WAIT)
    assert told.startswith("DeadlockError: task ")
    assert f"{tasks.double.name} (" in told
    assert told.count("waits for") == 2
    assert time.monotonic() - began < 10
    one = on(queue, tasks.wait_for).delay(str(tree.dir), str(tmp_path / "two"))
    two = on(queue, tasks.wait_for).delay(str(tree.dir), str(tmp_path / "one"))
    (tmp_path / "one.part").write_text(one.id)
    (tmp_path / "two.part").write_text(two.id)
    for name in ("one", "two"):
        (tmp_path / f"{name}.part").rename(tmp_path / name)
    found = [one.result(WAIT), two.result(WAIT)]
    assert "DeadlockError" in found, "whoever came second"


# -- every way to submit -------------------------------------------------------------------------------------------


def test_option_names_never_swallow_the_arguments_of_a_task(queue: TaskQueue) -> None:
    greedy = on(queue, tasks.greedy)
    own: dict[str, Any] = {
        "parent": "p", "timeout": 1, "config": "c", "on_parent_failure": "o", "options": "x", "name": "n",
    }  # fmt: skip
    wanted = "p 1 c o x n"
    parent = on(queue, tasks.add).delay(1, 2)
    bound = greedy.options(parent=parent, on_parent_failure="run", timeout=20)
    assert greedy.delay(**own).result(WAIT) == wanted
    assert bound.delay(**own).result(WAIT) == wanted
    assert bound.step(**own).delay().result(WAIT) == wanted
    assert greedy.step(**own).options(parent=parent, timeout=20).after(parent).delay().result(WAIT) == wanted
    assert chain(greedy.step(**own)).delay().result(WAIT) == wanted
    assert group(greedy.step(**own)).delay().results(WAIT) == [wanted]
    assert group.of(greedy, [tuple(own.values())]).delay().results(WAIT) == [wanted]
    assert bound.map([tuple(own.values())])[0].result(WAIT) == wanted
    assert (
        queue.wait(queue.submit_call(tasks.greedy, (), own, TaskConfig.of({"parent": parent})), WAIT).result == wanted
    )
    named = queue.enqueue(tasks.greedy.name, own, parent=parent, on_parent_cancel="run", timeout=20)
    assert queue.wait(named, WAIT).result == wanted

    async def elsewhere() -> list[str]:
        found = [
            await (await bound.adelay(**own)).aresult(WAIT),
            await (await bound.step(**own).adelay()).aresult(WAIT),
        ]
        queued = await queue.aenqueue(tasks.greedy.name, own, parent=parent)
        return [*found, (await queue.await_(queued, WAIT)).result]

    assert asyncio.run(elsewhere()) == [wanted] * 3


def test_the_same_without_blocking_an_event_loop(queue: TaskQueue) -> None:
    add, total = on(queue, tasks.add), on(queue, tasks.total)

    async def all_of_it() -> None:
        assert await (await chain(add.step(1, 2), add.step(3)).adelay()).aresult(WAIT) == 6
        assert await (await group.of(add, [(1, 2), (3, 4)]).then(total.step()).adelay()).aresult(WAIT) == 10
        handle = await group.of(add, [(1, 2), (3, 4)]).adelay()
        assert (await handle.await_(WAIT)).succeeded == 2
        assert (await handle.aprogress()).percent == 100
        assert await handle.aresults(WAIT) == [3, 7]
        found = await queue.aget_group(handle.id)
        assert await found.aresults(WAIT, return_exceptions=True) == [3, 7]
        assert await handle.acancel() == 0
        assert await handle is handle

    asyncio.run(all_of_it())


def test_with_json_only_it_is_the_same(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES, payloads="json", inline_limit="1K")
    add, tell, total, double = (on(tree.queue, each) for each in (tasks.add, tasks.tell, tasks.total, tasks.double))
    assert chain(add.step(1, 2), group.of(add, [(1,), (2,)]), total.step(), double.step()).delay().result(WAIT) == 18
    (told,) = (
        group(add.step(1, 2), on(tree.queue, tasks.fail).step())
        .then(tell.step().options(on_parent_failure="run"))
        .delay()
        .result(WAIT)
    )
    assert told.startswith("[3, TaskFailedError: ")
    text = on(tree.queue, tasks.tell).step("y" * 2000)
    assert chain(text, tell.step()).delay().result(WAIT) == [str([repr("y" * 2000)])]
    assert add.options(parent=add.delay(1, 2)).delay(3, 4).result(WAIT) == 7


def test_a_result_that_is_gone_when_a_child_is_retried_is_named(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES, result_ttl="300ms")
    first = on(tree.queue, tasks.add).step(1, 2)
    handle = chain(first, on(tree.queue, tasks.fail).step()).delay()
    assert ended(tree.queue, handle.id).state is State.FAILED
    time_over = (handle.record().ended_at or 0) + 0.5

    def expired() -> bool:
        return time.time() > time_over

    until(expired, "the end of the result", WAIT)
    assert handle.retry()
    record = until(lambda: (found := handle.record()).retried and found.state.ended and found, "the second end", WAIT)
    assert record.error is not None
    assert ResultExpiredError.__name__ in record.error.type or "as asked" in record.error.message
