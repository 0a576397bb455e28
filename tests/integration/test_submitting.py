"""Submitting, reading and waiting: what callers give, what they get back, and which errors tell them why not."""

from __future__ import annotations

import asyncio
import enum
import functools
import os
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor import (
    Cause,
    Handle,
    Priority,
    QueueFullError,
    QueueUnavailableError,
    SerializationError,
    State,
    SupervisorError,
    TaskCancelledError,
    TaskConfig,
    TaskFailedError,
    TaskOptionError,
    TaskQueue,
    TaskTimeoutError,
    UnknownTaskError,
    WaitTimeoutError,
    task,
)
from supervisor.directory import Directory
from supervisor.payload_files import ARGUMENTS, RESULT
from tests.conftest import MakeTree
from tests.support import tasks
from tests.support.script import run_script
from tests.support.shared import ended, running
from tests.support.tree import RunningTree
from tests.support.waiting import until

BIG = 5 << 20
WAIT = 30.0


@pytest.fixture
def make_tree(make_tree: MakeTree) -> MakeTree:
    """Trees whose workers are of ordinary niceness, so that a busy machine does not starve them."""
    return functools.partial(make_tree, cpus="off")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with running(tmp_path_factory.mktemp("submitting")) as tree:
        yield tree


@pytest.fixture
def queue(shared: RunningTree) -> TaskQueue:
    return shared.queue


# -- the calls ---------------------------------------------------------------------------------------------------


def test_a_task_returns_its_result(tree: RunningTree) -> None:
    assert tasks.add.on(tree.queue).delay(2, 3).result(timeout=10) == 5


def test_every_blocking_call(queue: TaskQueue) -> None:
    task_id = queue.submit(tasks.add, 2, right=3)
    record = queue.wait(task_id, timeout=WAIT)
    assert (record.id, record.result, record.state, record.status) == (task_id, 5, State.SUCCEEDED, State.SUCCEEDED)
    assert record.name == "tests.support.tasks.add"
    assert record.attempt == 1
    assert record.cause is None
    assert record.error is None
    assert record.created_at <= (record.started_at or 0) <= (record.ended_at or 0) == record.completed_at
    assert abs(record.created_at - time.time()) < 60
    assert queue.state(task_id) is State.SUCCEEDED
    assert queue.get_result(task_id) == record
    known = queue.get_task(task_id)
    assert known is not None
    assert known.result is None, "get_task does not read the result"
    assert queue.cancel(task_id) is False, "it has ended"
    assert queue.stats().limit == 1_000_000
    assert len(queue.workers()) == 2


async def calls(queue: TaskQueue) -> None:
    """Every call in its asyncio form."""
    task_id = await queue.asubmit(tasks.add, 2, right=3)
    record = await queue.await_(task_id, timeout=WAIT)
    assert record.result == 5
    assert await queue.astate(task_id) is State.SUCCEEDED
    assert await queue.aget_result(task_id) == record
    known = await queue.aget_task(task_id)
    assert known is not None
    assert known.result is None
    assert await queue.acancel(task_id) is False
    assert (await queue.astats()).limit == 1_000_000
    assert len(await queue.aworkers()) == 2
    ids = await queue.asubmit_many(tasks.add, [(number, 1) for number in range(5)])
    assert [(await queue.await_(each, timeout=WAIT)).result for each in ids] == [1, 2, 3, 4, 5]
    handle = await tasks.add.on(queue).adelay(4, 5)
    assert await handle.aresult(timeout=WAIT) == 9
    assert await handle.astate() is State.SUCCEEDED
    assert (await handle.arecord()).result == 9
    assert await handle.acancel() is False
    handles = await tasks.add.on(queue).amap([(1, 1), (2, 2)])
    assert [await each.aresult(timeout=WAIT) for each in handles] == [2, 4]


def test_every_call_in_its_asyncio_form(queue: TaskQueue) -> None:
    asyncio.run(calls(queue))


def test_handles(queue: TaskQueue) -> None:
    handle = tasks.add.on(queue).delay(2, 3)
    assert handle.result(timeout=WAIT) == 5
    assert handle.state() is State.SUCCEEDED
    assert handle.record().result == 5
    assert handle.cancel() is False
    assert len(handle.id) == 32
    assert queue.get_result(str(uuid.UUID(handle.id))) == handle.record(), "with dashes it is the same id"


def test_await_of_delay_does_no_harm_and_yields_the_handle(queue: TaskQueue) -> None:
    async def main() -> None:
        handle = await tasks.add.on(queue).delay(2, 3)
        assert isinstance(handle, Handle)
        assert await handle.aresult(timeout=WAIT) == 5

    asyncio.run(main())


def test_map_and_submit_many(queue: TaskQueue) -> None:
    handles = tasks.add.on(queue).map((number, number) for number in range(20))
    assert [handle.result(timeout=WAIT) for handle in handles] == [2 * number for number in range(20)]
    ids = queue.submit_many(tasks.add, [(number, 1) for number in range(2500)])
    assert len(set(ids)) == 2500
    assert ids == sorted(ids), "ids are ordered by time"
    assert [queue.wait(task_id, timeout=60).result for task_id in ids[::100]] == list(range(1, 2501, 100))
    assert queue.submit_many(tasks.add, []) == []


def test_connect_finds_the_directory_by_the_environment_and_by_the_working_directory(shared: RunningTree) -> None:
    script = """
        import os, sys
        from supervisor import TaskQueue, queue
        assert TaskQueue.connect().stats().workers == 2
        assert queue.stats().workers == 2
        del os.environ["SUPERVISOR_DIR"]
        os.mkdir("elsewhere")
        os.symlink(sys.argv[1], "elsewhere/.supervisor")
        os.chdir("elsewhere")
        assert TaskQueue.connect().stats().workers == 2
        assert TaskQueue.connect(sys.argv[1]).stats().workers == 2
        print("well")
    """
    assert run_script(shared, script, shared.dir) == "well\n"


# -- what can be submitted ---------------------------------------------------------------------------------------


@task
def plain(left: int, right: int = 10) -> int:
    return left + right


@task(name="by-name", timeout=20, soft_timeout=15, max_retries=0, priority="high", memory_limit="500M")
def optioned(number: int) -> int:
    return -number


@task
def configured(config: str, func: str = "") -> str:
    return config + func


def not_a_task(number: int) -> int:
    return number * 3


class Methods:
    @staticmethod
    def static(number: int) -> int:
        return number + 100

    @classmethod
    def of_class(cls, number: int) -> str:
        return f"{cls.__name__} {number}"

    def bound(self, number: int) -> int:
        return number + 200


def test_a_task_is_still_a_function() -> None:
    assert plain(1) == 11
    assert getattr(plain, "__name__", "") == "plain"
    assert plain.name == f"{__name__}.plain"
    assert optioned.name == "by-name"


def test_a_parameter_may_be_called_config(queue: TaskQueue) -> None:
    """As one of ``submit`` is."""
    assert configured.on(queue).delay(config="a", func="b").result(timeout=WAIT) == "ab"
    assert queue.wait(queue.submit_call(configured, [], {"config": "c"}), timeout=WAIT).result == "c"
    assert asyncio.run(configured.on(queue).adelay(config="d")).result(timeout=WAIT) == "d"


def test_options_travel_with_the_task(queue: TaskQueue) -> None:
    record = optioned.on(queue).delay(3).record()
    assert (record.name, record.priority, record.timeout) == ("by-name", Priority.HIGH, 20.0)
    changed = optioned.on(queue).options(priority=Priority.LOW, timeout=None).delay(3).record()
    assert (changed.name, changed.priority, changed.timeout) == ("by-name", Priority.LOW, None)
    assert optioned.config.priority == Priority.HIGH, "the task itself stays as it was"


def test_a_task_given_to_submit_keeps_its_options(queue: TaskQueue) -> None:
    own = queue.get_task(queue.submit(optioned, 3))
    assert own is not None
    assert (own.name, own.timeout) == ("by-name", 20.0)
    chosen = queue.get_task(queue.submit(optioned, 3, config=TaskConfig(timeout=7)))
    assert chosen is not None
    assert (chosen.name, chosen.timeout) == (f"{__name__}.optioned", 7.0)


@pytest.mark.parametrize(
    ("function", "arguments", "result"),
    [
        (not_a_task, (4,), 12),
        (len, ([1, 2, 3],), 3),
        (os.path.join, ("a", "b"), "a/b"),
        (Methods.static, (1,), 101),
        (Methods.of_class, (1,), "Methods 1"),
        (Methods().bound, (1,), 201),
        (functools.partial(not_a_task), (2,), 6),
        (lambda number: number - 1, (4,), 3),
        (str.upper, ("abc",), "ABC"),
    ],
)
def test_any_callable_can_be_submitted(
    queue: TaskQueue, function: Any, arguments: tuple[Any, ...], result: Any
) -> None:
    assert queue.wait(queue.submit(function, *arguments), timeout=WAIT).result == result


def test_a_closure_takes_what_it_closes_over_along(queue: TaskQueue) -> None:
    factor = 7

    def times(number: int) -> int:
        return number * factor

    @task(max_retries=0)
    def times_again(number: int) -> int:
        return times(number) * factor

    assert queue.wait(queue.submit(times, 6), timeout=WAIT).result == 42
    assert times_again.on(queue).delay(2).result(timeout=WAIT) == 98


def test_functions_and_classes_of_main_travel_by_value(shared: RunningTree) -> None:
    script = """
        import dataclasses
        from supervisor import queue, task

        @dataclasses.dataclass
        class Point:
            x: int
            y: int

        BASE = 1000

        def helper(point):
            return Point(point.y + BASE, point.x)

        @task
        def turn(point):
            return helper(point)

        @task
        async def turn_later(point):
            return helper(point)

        if __name__ == "__main__":
            print(turn.delay(Point(1, 2)).result(timeout=30))
            print(turn_later.delay(Point(3, 4)).result(timeout=30))
            print(queue.wait(queue.submit(lambda: Point(BASE, 0)), timeout=30).result)
    """
    assert run_script(shared, script) == "Point(x=1002, y=1)\nPoint(x=1004, y=3)\nPoint(x=1000, y=0)\n"


def test_async_def_tasks_run(queue: TaskQueue) -> None:
    results: list[Any] = [tasks.add_later.on(queue).delay(number, 1).result(timeout=WAIT) for number in range(5)]
    assert results == [1, 2, 3, 4, 5]

    async def later(number: int) -> int:
        await asyncio.sleep(0)
        return number

    assert queue.wait(queue.submit(later, 5), timeout=WAIT).result == 5


# -- what cannot -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"timeout": -1}, "timeout=-1 makes no sense"),
        ({"timeout": 0}, "timeout=0 makes no sense"),
        ({"timeout": "soon"}, "timeout='soon' makes no sense"),
        ({"timeout": float("nan")}, "timeout=nan makes no sense"),
        ({"timeout": float("inf")}, "timeout=inf makes no sense"),
        ({"timeout": True}, "timeout=True makes no sense"),
        ({"max_retries": -1}, "max_retries=-1 makes no sense"),
        ({"max_retries": 1.5}, "max_retries=1.5 makes no sense"),
        ({"priority": "urgent"}, '"critical"'),
        ({"priority": 10**9}, "at most a million"),
        ({"memory_limit": "much"}, "memory_limit='much' makes no sense"),
        ({"delay": -1}, "delay=-1 makes no sense"),
        ({"name": ""}, "1 to 255 characters"),
        ({"max_retires": 3}, "did you mean 'max_retries'?"),
        ({"crash_budget": 0}, "crash_budget=0 makes no sense"),
    ],
)
def test_options_that_make_no_sense_are_refused_where_they_are_written(options: dict[str, Any], says: str) -> None:
    for refused in (lambda: task(**options), lambda: plain.options(**options), lambda: TaskConfig.of(options)):
        with pytest.raises(TaskOptionError) as caught:
            refused()
        assert says in str(caught.value)
        assert isinstance(caught.value, SupervisorError)


def test_priorities_in_every_spelling() -> None:
    class Own(enum.IntEnum):
        SOON = 7

    for chosen, number in (("HIGH", 10), ("critical", 20), (Priority.LOW, -10), (-3, -3), (Own.SOON, 7)):
        assert plain.options(priority=chosen).config.priority == number


def test_an_argument_that_cannot_cross_is_named_at_the_call(queue: TaskQueue) -> None:
    lock = threading.Lock()
    before = queue.stats().ended
    with pytest.raises(SerializationError, match=r"argument 'right' of task tests\.support\.tasks\.add \(a lock\)"):
        queue.submit(tasks.add, 1, lock)
    with pytest.raises(SerializationError, match=r"argument 'left' .* generator"):
        queue.submit(tasks.add, (number for number in range(3)), 2)
    with pytest.raises(SerializationError, match="argument 'args'"):
        queue.submit(lambda *args: None, 1, [lock])
    with pytest.raises(SerializationError, match=r"the function of task"):
        queue.submit(lambda: lock)
    with pytest.raises(SerializationError, match="argument 'right'"):
        asyncio.run(queue.asubmit(tasks.add, 1, lock))
    with pytest.raises(SerializationError, match="argument 'left'"):
        queue.submit_many(tasks.add, [(1, 2), (lock, 2)])
    assert queue.stats().ended == before, "nothing was submitted"


def test_a_result_that_cannot_cross_is_a_failure_with_a_sentence(queue: TaskQueue) -> None:
    handle = tasks.unserialisable.on(queue).delay()
    with pytest.raises(TaskFailedError) as caught:
        handle.result(timeout=WAIT)
    assert "the result of task tests.support.tasks.unserialisable (a tuple) cannot be serialised" in str(caught.value)
    assert handle.record().attempt == 1, "it has done its work, and is not to do it again"


def test_a_function_that_the_workers_cannot_find_fails_with_a_sentence(shared: RunningTree) -> None:
    script = """
        import sys, types
        from supervisor import TaskFailedError, TaskConfig, queue
        module = types.ModuleType("only_here")
        exec("def function(): pass", module.__dict__)
        sys.modules["only_here"] = module
        try:
            queue.wait(queue.submit(module.function, config=TaskConfig(max_retries=0)), timeout=30)
            record = queue.get_result(queue.submit(module.function, config=TaskConfig(max_retries=0)))
        except TaskFailedError:
            raise SystemExit(1)
        record = queue.wait(record.id, timeout=30)
        print(record.state, record.error.type)
        print(record.error.message)
    """
    said = run_script(shared, script).splitlines()
    assert said[0] == "failed supervisor.errors.UnknownFunctionError"
    assert "only_here.function" in said[1]
    assert "name its module in `tasks`" in said[1]


def test_a_full_queue_refuses_and_takes_again(make_tree: MakeTree) -> None:
    tree = make_tree(queue_limit=5, workers=1)
    gate = tree.folder / "gate"
    handles = [tasks.wait_for_file.on(tree.queue).delay(str(gate), 60.0) for _ in range(5)]
    for refused in (
        lambda: tasks.noop.on(tree.queue).delay(),
        lambda: asyncio.run(tree.queue.asubmit(tasks.noop)),
        lambda: tree.queue.submit_many(tasks.noop, [()]),
    ):
        with pytest.raises(QueueFullError, match="it holds 5 unfinished tasks"):
            refused()
    gate.touch()
    assert [handle.result(timeout=WAIT) for handle in handles] == ["seen"] * 5
    with pytest.raises(QueueFullError):
        tree.queue.submit_many(tasks.noop, [()] * 6)
    assert sum(tree.queue.stats().unfinished.values()) == 0, "a round trip is accepted whole or not at all"
    assert tasks.add.on(tree.queue).delay(1, 1).result(timeout=WAIT) == 2


def test_a_refused_large_argument_leaves_no_file(make_tree: MakeTree) -> None:
    tree = make_tree(queue_limit=1, workers=1)
    gate = tree.folder / "gate"
    tree.queue.submit(tasks.wait_for_file, str(gate), 60.0)
    with pytest.raises(QueueFullError):
        tree.queue.submit(tasks.length, b"x" * BIG)
    assert list(Directory(tree.dir).payloads.iterdir()) == []
    gate.touch()


def test_of_many_in_a_queue_that_gets_full_whole_round_trips_are_accepted_and_no_file_is_left(
    make_tree: MakeTree,
) -> None:
    """The next round trip is packed while the one before is answered: what was packed in vain leaves nothing."""
    tree = make_tree(cpus="off", queue_limit=1500, inline_limit="1K")
    tree.queue.pause("default")
    arguments = [(b"x" * 10,)] * 2000 + [(b"x" * 2000,)] * 500
    with pytest.raises(QueueFullError):
        tree.queue.submit_many(tasks.length, arguments)
    assert sum(tree.queue.stats().unfinished.values()) == 1000
    assert list(Directory(tree.dir).payloads.iterdir()) == []


def test_of_many_what_came_before_a_fault_in_the_callers_own_iterator_is_accepted(make_tree: MakeTree) -> None:
    tree = make_tree(cpus="off")
    tree.queue.pause("default")

    def arguments() -> Iterator[tuple[int, int]]:
        for number in range(1500):
            yield number, 1
        raise LookupError("nothing more")

    with pytest.raises(LookupError, match="nothing more"):
        tree.queue.submit_many(tasks.add, arguments())
    assert sum(tree.queue.stats().unfinished.values()) == 1000


# -- no supervisor -----------------------------------------------------------------------------------------------


def test_without_a_supervisor_every_call_says_so_in_time(tmp_path: Path) -> None:
    queue = TaskQueue(tmp_path / "nowhere", timeout=0.5)
    some_id = uuid.uuid4().hex
    blocking = (
        lambda: queue.submit(len, []),
        lambda: queue.submit_many(len, [([],)]),
        lambda: queue.get_result(some_id),
        lambda: queue.wait(some_id, timeout=0.5),
        lambda: queue.cancel(some_id),
        queue.stats,
        lambda: asyncio.run(queue.asubmit(len, [])),
        lambda: asyncio.run(queue.await_(some_id, timeout=0.5)),
        lambda: TaskQueue.connect(tmp_path / "nowhere", timeout=0.5),
    )
    for call in blocking:
        started = time.monotonic()
        with pytest.raises(QueueUnavailableError, match=r"nothing was ever started there|its key cannot be read"):
            call()
        assert time.monotonic() - started < 5


def test_a_supervisor_that_was_stopped_is_unavailable(make_tree: MakeTree) -> None:
    tree = make_tree()
    tree.queue.stats()
    tree.stop()
    queue = TaskQueue(tree.dir, timeout=0.5)
    with pytest.raises(QueueUnavailableError):
        queue.submit(tasks.noop)
    with pytest.raises(QueueUnavailableError):
        asyncio.run(queue.asubmit(tasks.noop))


# -- waiting -----------------------------------------------------------------------------------------------------

UNKNOWN = ["0" * 32, "019a0000000070008000000000000000", "no id at all", "", "../../etc/passwd"]


@pytest.mark.parametrize("task_id", UNKNOWN)
def test_an_unknown_id(queue: TaskQueue, task_id: str) -> None:
    assert queue.get_result(task_id) is None
    assert queue.get_task(task_id) is None
    for call in (queue.wait, queue.cancel, queue.state):
        with pytest.raises(UnknownTaskError, match="there is no task"):
            call(task_id)
    handle: Handle[object] = Handle(task_id, queue)
    for ask in (handle.result, handle.state, handle.record, handle.cancel):
        with pytest.raises(UnknownTaskError):
            ask()

    async def main() -> None:
        assert await queue.aget_result(task_id) is None
        assert await queue.aget_task(task_id) is None
        for acall in (queue.await_, queue.acancel, queue.astate):
            with pytest.raises(UnknownTaskError):
                await acall(task_id)

    asyncio.run(main())


def test_waiting_that_runs_out_is_no_end_of_the_task(queue: TaskQueue, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    handle = tasks.wait_for_file.on(queue).delay(str(gate), 60.0)
    for call in (
        lambda: handle.result(timeout=0.1),
        lambda: queue.wait(handle.id, timeout=0.1),
        lambda: queue.wait(handle.id, timeout=0),
        lambda: asyncio.run(handle.aresult(timeout=0.1)),
    ):
        with pytest.raises(WaitTimeoutError) as caught:
            call()
        assert isinstance(caught.value, TimeoutError)
        assert isinstance(caught.value, SupervisorError)
        assert caught.value.task_id == handle.id
    gate.touch()
    assert handle.result(timeout=WAIT) == "seen"


def test_a_task_that_was_killed_is_another_error_than_waiting_that_ran_out(queue: TaskQueue) -> None:
    handle = tasks.sleep.on(queue).options(timeout=0.2, max_retries=0).delay(600)
    with pytest.raises(TaskTimeoutError) as caught:
        handle.result(timeout=WAIT)
    assert not isinstance(caught.value, TimeoutError)
    assert handle.record().state is State.TIMED_OUT
    assert handle.record().cause is Cause.TIMEOUT
    with pytest.raises(TaskTimeoutError):
        queue.wait(handle.id)


def test_waiting_for_a_cancelled_task(queue: TaskQueue) -> None:
    handle = tasks.add.on(queue).options(delay="1h").delay(1, 2)
    assert handle.state() is State.SCHEDULED
    assert handle.cancel() is True
    with pytest.raises(TaskCancelledError):
        handle.result(timeout=WAIT)
    with pytest.raises(TaskCancelledError):
        asyncio.run(queue.await_(handle.id))
    assert handle.cancel() is False


def test_many_wait_for_one_task(queue: TaskQueue, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    handle = tasks.wait_for_file.on(queue).delay(str(gate), 60.0)
    results: list[str] = []
    waiting = [threading.Thread(target=lambda: results.append(handle.result(timeout=WAIT))) for _ in range(20)]
    for thread in waiting:
        thread.start()
    until(lambda: queue.stats().waiting_calls >= 20, "everybody to wait")
    gate.touch()
    for thread in waiting:
        thread.join(WAIT)
    assert results == ["seen"] * 20


# -- failing and repeating ---------------------------------------------------------------------------------------


class _OwnError(Exception):
    """Cannot be rebuilt from its arguments, as many an exception of a library."""

    def __init__(self, code: int, *, reason: str) -> None:
        super().__init__(f"{code}: {reason}")


def _fails_below() -> None:
    try:
        dict[str, int]()["missing"]
    except KeyError as error:
        raise _OwnError(7, reason="nothing there") from error


def test_an_exception_comes_with_its_remote_traceback(queue: TaskQueue) -> None:
    task_id = queue.submit(_fails_below, config=TaskConfig(max_retries=0))
    record = queue.wait(task_id, timeout=WAIT)
    assert (record.state, record.cause, record.result) == (State.FAILED, Cause.EXCEPTION, None)
    error = record.error
    assert error is not None
    assert (error.type, error.message) == (f"{__name__}._OwnError", "7: nothing there")
    assert "KeyError: 'missing'" in error.traceback
    assert "in _fails_below" in error.traceback
    assert "supervisor/worker" not in error.traceback, "our own frames are of no use to anybody"
    with pytest.raises(TaskFailedError) as caught:
        Handle(task_id, queue).result(timeout=WAIT)
    assert "7: nothing there" in str(caught.value)
    assert "in _fails_below" in caught.value.remote_traceback
    assert caught.value.error_type.endswith("_OwnError")


def test_an_exit_is_a_failure_and_not_the_end_of_the_worker(queue: TaskQueue) -> None:
    before = {worker.pid for worker in queue.workers()}
    record = ended(queue, queue.submit(tasks.exit_by_exception, config=TaskConfig(max_retries=0)))
    assert (record.state, record.cause) == (State.FAILED, Cause.EXCEPTION)
    assert record.error is not None
    assert record.error.type == "SystemExit"
    assert record.worker in before
    assert record.worker in {worker.pid for worker in queue.workers()}


def test_retries_run_so_often_and_no_more(queue: TaskQueue, tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    def note_and_fail(path: str) -> None:
        tasks.note(path)
        raise ValueError("again")

    record = queue.wait(queue.submit(note_and_fail, str(ran), config=TaskConfig(max_retries=2, retry_delay=0)), WAIT)
    assert (record.state, record.attempt) == (State.FAILED, 3)
    assert ran.read_text() == "ran\n" * 3


def test_a_task_that_succeeds_at_last_has_succeeded(queue: TaskQueue) -> None:
    handle = tasks.fail_until.on(queue).options(max_retries=3, retry_delay="20ms").delay(3)
    assert handle.result(timeout=WAIT) == 3
    record = handle.record()
    assert (record.state, record.attempt) == (State.SUCCEEDED, 3)


def test_the_pause_before_a_retry_is_kept(queue: TaskQueue, tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    def note_time_and_fail(path: str) -> None:
        tasks.note(path, f"{time.monotonic()}\n")
        raise ValueError("again")

    config = TaskConfig(max_retries=1, retry_delay=0.5)
    task_id = queue.submit(note_time_and_fail, str(ran), config=config)
    until(lambda: queue.state(task_id) is State.RETRYING, "the pause")
    record = queue.get_task(task_id)
    assert record is not None
    assert record.due_at is not None
    assert queue.wait(task_id, WAIT).state is State.FAILED
    first, second = map(float, ran.read_text().split())
    assert 0.5 <= second - first < 10


def test_a_delayed_task_starts_when_it_is_due_and_not_before(queue: TaskQueue) -> None:
    submitted = time.time()
    handle = tasks.add.on(queue).options(delay=0.7).delay(1, 2)
    assert handle.state() is State.SCHEDULED
    assert handle.record().due_at == pytest.approx(submitted + 0.7, abs=5)
    assert handle.result(timeout=WAIT) == 3
    assert (handle.record().started_at or 0) - handle.record().created_at >= 0.69


def test_higher_priorities_run_first_and_equal_ones_in_order(make_tree: MakeTree) -> None:
    tree = make_tree(workers=1, batch_size=1)
    gate, ran = tree.folder / "gate", tree.folder / "ran"
    hold = tasks.wait_for_file.on(tree.queue).delay(str(gate), 60.0)
    until(lambda: hold.state() is State.RUNNING, "the worker to be busy")
    order = [("low", "a"), ("normal", "b"), ("critical", "c"), ("high", "d"), ("normal", "e"), ("critical", "f")]
    handles = [
        tasks.note.on(tree.queue).options(priority=priority).delay(str(ran), f"{name}\n") for priority, name in order
    ]
    handles += [tasks.note.on(tree.queue).options(priority=15).delay(str(ran), "g\n")]
    gate.touch()
    for handle in handles:
        handle.result(timeout=WAIT)
    assert ran.read_text().split() == ["c", "f", "g", "d", "b", "e", "a"]


# -- large payloads ----------------------------------------------------------------------------------------------


def payload_files(tree: RunningTree) -> set[str]:
    return {path.name for path in Directory(tree.dir).payloads.iterdir()}


def test_large_arguments_and_results_go_by_file_and_their_files_go(make_tree: MakeTree) -> None:
    tree = make_tree(result_ttl=0.2, record_ttl=0.2)
    argument = tasks.length.on(tree.queue).delay(b"x" * BIG)
    assert f"{argument.id}.{ARGUMENTS}" in payload_files(tree)
    result = tasks.big.on(tree.queue).delay(BIG)
    assert argument.result(timeout=WAIT) == BIG
    assert result.result(timeout=WAIT) == b"x" * BIG
    assert f"{result.id}.{RESULT}" in payload_files(tree)
    # A broker sweeps as it starts, and then once a minute.
    os.kill(tree.pid_of("broker"), 9)
    until(lambda: not payload_files(tree), "the files to be swept away", 20.0)
    until(lambda: tree.queue.get_result(result.id) is None, "the records to be swept away", 20.0)


def test_large_payloads_by_asyncio_and_by_value(queue: TaskQueue) -> None:
    data = os.urandom(BIG)

    async def main() -> bytes:
        task_id = await queue.asubmit(lambda given: given[::-1], data)
        found: bytes = (await queue.await_(task_id, timeout=WAIT)).result
        return found

    assert asyncio.run(main()) == data[::-1]


def test_a_large_argument_survives_retries_and_a_kill(queue: TaskQueue, tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    def die_first(data: bytes, path: str) -> int:
        tasks.note(path)
        if len(Path(path).read_text().split()) == 1:
            os.kill(os.getpid(), 9)
        return len(data)

    assert queue.wait(queue.submit(die_first, b"x" * BIG, str(ran)), timeout=WAIT).result == BIG


def test_many_middling_payloads_in_one_round_trip(queue: TaskQueue) -> None:
    ids = queue.submit_many(tasks.length, [(b"x" * 50_000,) for _ in range(200)])
    assert {queue.wait(task_id, timeout=WAIT).result for task_id in ids} == {50_000}


def test_a_task_that_submits_a_task_finds_its_own_supervisor(tree: RunningTree) -> None:
    inner = tree.queue.wait(tree.queue.submit(tasks.submit_another, 2, 3), timeout=30).result
    assert tree.queue.wait(inner, timeout=30).result == 5
