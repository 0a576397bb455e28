"""What generator tasks yield: read as it comes, by any number of readers, whatever is killed meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from supervisor import (
    Handle,
    State,
    StreamHandle,
    StreamRestartedError,
    TaskCancelledError,
    TaskConfig,
    TaskFailedError,
    TaskQueue,
    TaskTimeoutError,
    UnknownTaskError,
    WaitTimeoutError,
    WorkerLostError,
)
from tests.conftest import MakeTree
from tests.support import talking_tasks as told
from tests.support import tasks
from tests.support.killing import kill
from tests.support.shared import ended, running
from tests.support.tree import RunningTree

WAIT = 60.0
MODULES = ["tests.support.tasks", "tests.support.talking_tasks"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with running(tmp_path_factory.mktemp("streams"), tasks=MODULES, workers=3, log_level="info") as tree:
        yield tree


@pytest.fixture
def queue(shared: RunningTree) -> TaskQueue:
    return shared.queue


# -- reading -----------------------------------------------------------------------------------------------------


def test_a_loop_over_a_handle_gives_what_the_task_yields(queue: TaskQueue) -> None:
    handle = told.numbers.on(queue).delay(100)
    assert isinstance(handle, StreamHandle)
    assert list(handle) == list(range(100))
    assert handle.result(WAIT) == "100 in attempt 1", "its result is what it returns"
    assert list(handle) == list(range(100)), "each loop begins at the first"
    assert list(queue.stream(handle.id)) == list(range(100)), "the id is enough"


def test_asynchronous_generators_stream_too_and_loops_may_be_asynchronous(queue: TaskQueue) -> None:
    async def main() -> None:
        handle = await told.numbers.on(queue).adelay(50)
        assert [item async for item in handle] == list(range(50))
        other = await told.numbers_async.on(queue).adelay(50)
        assert [item async for item in other] == list(range(50))
        assert await other.aresult(WAIT) is None

    asyncio.run(main())
    assert list(told.numbers_async.on(queue).delay(3)) == [0, 1, 2]


def test_items_are_read_while_the_task_runs_by_any_number_of_readers(queue: TaskQueue, tmp_path: Path) -> None:
    handle = told.numbers_when_told.on(queue).delay(str(tmp_path), 4)
    first = handle.stream(timeout=WAIT)
    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(list, handle.stream(timeout=WAIT)) for _ in range(3)]
        for number in range(4):
            (tmp_path / str(number)).touch()
            assert next(first) == number
            assert handle.state() is State.RUNNING or number == 3
        assert [other.result(WAIT) for other in others] == [[0, 1, 2, 3]] * 3
    assert list(first) == []


def test_by_asyncio_many_streams_are_read_at_once(queue: TaskQueue) -> None:
    async def read(handle: StreamHandle[int, str]) -> int:
        return sum([item async for item in handle])

    async def main() -> list[int]:
        handles = await told.numbers.on(queue).amap([(20,)] * 10)
        return await asyncio.gather(*(read(handle) for handle in handles for _ in range(3)))

    assert asyncio.run(main()) == [190] * 30


def test_a_task_without_items_is_an_empty_stream(queue: TaskQueue) -> None:
    assert list(told.numbers.on(queue).delay(0)) == []
    handle = tasks.add.on(queue).delay(1, 2)
    assert type(handle) is Handle
    assert list(queue.stream(handle.id)) == [], "one that is no generator neither"


def test_a_function_may_return_a_generator_and_be_any_function(queue: TaskQueue) -> None:
    task_id = queue.submit(lambda: (number * number for number in range(5)))
    assert list(queue.stream(task_id)) == [0, 1, 4, 9, 16]


def test_large_items_travel_by_file_and_many_small_ones_arrive_in_order(shared: RunningTree) -> None:
    large = told.megabytes.on(shared.queue).delay(3)
    for number, item in enumerate(large):
        assert item == bytes([number]) * (1 << 20)
    names = [path.name for path in (shared.dir / "payloads").iterdir() if path.name.startswith(large.id)]
    assert len(names) == 3
    many = told.numbers.on(shared.queue).delay(10_000)
    assert list(many) == list(range(10_000))


def test_only_the_return_value_follows_store_result(queue: TaskQueue) -> None:
    handle = told.without_result.on(queue).delay(3)
    assert list(handle) == [0, 1, 2]
    assert handle.result(WAIT) is None


def test_waiting_ends_when_the_reader_says_and_unknown_ids_are_told(queue: TaskQueue, tmp_path: Path) -> None:
    handle = told.numbers_when_told.on(queue).delay(str(tmp_path), 1)
    with pytest.raises(WaitTimeoutError):
        list(handle.stream(timeout=0.2))
    (tmp_path / "0").touch()
    assert list(handle.stream(timeout=WAIT)) == [0]
    with pytest.raises(UnknownTaskError):
        list(queue.stream("0" * 32))
    with pytest.raises(ValueError, match=r'restart=.* expected "skip" or "raise"'):
        list(queue.stream(handle.id, restart="again"))  # type: ignore[arg-type]


def test_in_json_mode_items_are_json(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES, workers=1, cpus="off", payloads="json")
    handle = told.fewer_each_time.on(tree.queue).delay([2])
    assert list(queue_items(tree.queue, handle.id)) == [[1, 0], [1, 1]], "a tuple is a list"


def queue_items(queue: TaskQueue, task_id: str) -> Iterator[object]:
    return queue.stream(task_id, timeout=WAIT)


# -- ends --------------------------------------------------------------------------------------------------------


def test_the_loop_ends_with_the_error_of_the_task(queue: TaskQueue) -> None:
    seen: list[int] = []
    with pytest.raises(TaskFailedError, match="no more"):
        seen.extend(told.raise_after.on(queue).delay(3))
    assert seen == [0, 1, 2]
    handle = told.raise_after.on(queue).delay(2)

    async def read() -> None:
        async for item in handle:
            seen.append(item)

    with pytest.raises(TaskFailedError, match="no more"):
        asyncio.run(read())
    assert seen == [0, 1, 2, 0, 1]


def test_an_item_that_cannot_cross_ends_the_task_for_good(queue: TaskQueue, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    handle = told.what_cannot_cross.on(queue).delay(str(path))
    seen: list[object] = []
    with pytest.raises(TaskFailedError, match=r"item 1 of task .* \(a generator\) cannot be serialised"):
        seen.extend(handle)
    assert seen == [1]
    assert path.read_text().split("\n")[:2] == ["ran", "tidied up"], "it ran once, to the end"


@pytest.mark.parametrize("pause", [0.0, 0.01], ids=["busy", "pausing"])
@pytest.mark.parametrize("how", ["cancel", "soft_timeout"])
def test_a_cancel_and_a_soft_limit_reach_the_generator(
    queue: TaskQueue, tmp_path: Path, how: str, pause: float
) -> None:
    path = tmp_path / "notes"
    task = told.tidy_up.options(soft_timeout=0.3 if how == "soft_timeout" else None, timeout=30).on(queue)
    handle = task.delay(str(path), pause)
    stream = handle.stream(timeout=WAIT)
    assert next(stream) == 0
    if how == "cancel":
        assert handle.cancel()
        with pytest.raises(TaskCancelledError):
            list(stream)
    else:
        with pytest.raises(TaskFailedError, match="soft limit"):
            list(stream)
    name = "TaskCancelledError" if how == "cancel" else "SoftTimeoutError"
    assert path.read_text().split() == [name, "finally"]


def test_a_generator_may_catch_its_soft_limit_and_go_on(queue: TaskQueue, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    handle = told.tidy_up.options(soft_timeout=0.3).on(queue).delay(str(path), 0.001, catch=True)
    items = list(handle.stream(timeout=WAIT))
    assert items == [*range(len(items) - 1), -1]
    assert path.read_text().split() == ["SoftTimeoutError", "finally"]


def test_an_asynchronous_generator_that_is_cancelled_tidies_up(queue: TaskQueue, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    handle = told.tidy_up_async.on(queue).delay(str(path), 0.001)
    stream = handle.stream(timeout=WAIT)
    assert next(stream) == 0
    handle.cancel()
    with pytest.raises(TaskCancelledError):
        list(stream)
    assert path.read_text().split() == ["finally"]


def test_a_stream_that_is_killed_at_its_limit_is_read_up_to_there(queue: TaskQueue) -> None:
    def count_and_hang() -> Iterator[int]:
        yield from range(10)
        while True:
            pass

    task_id = queue.submit(count_and_hang, config=TaskConfig(timeout=0.5, max_retries=0))
    seen: list[int] = []
    with pytest.raises(TaskTimeoutError):
        seen.extend(queue.stream(task_id, timeout=WAIT))
    assert seen == list(range(10))


def test_a_process_that_the_task_forks_cannot_yield(queue: TaskQueue, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    handle = told.fork_and_yield.on(queue).delay(str(path))
    assert list(handle.stream(timeout=WAIT)) == ["before", "parent"]
    assert path.read_text() == "1\n"


# -- again -------------------------------------------------------------------------------------------------------


def test_a_reader_gets_each_index_once_when_the_worker_is_killed(queue: TaskQueue) -> None:
    handle = told.numbers.on(queue).delay(50, kill_at=30)
    assert list(handle.stream(timeout=WAIT)) == list(range(50))
    assert handle.result(WAIT) == "50 in attempt 2"


def test_a_reader_may_rather_hear_of_it(queue: TaskQueue, tmp_path: Path) -> None:
    handle = told.die_when_told.on(queue).delay(str(tmp_path / "go"))
    strict, patient = handle.stream(restart="raise", timeout=WAIT), handle.stream(timeout=WAIT)
    assert [next(strict), next(strict), next(patient)] == [(1, 0), (1, 1), (1, 0)]
    (tmp_path / "go").touch()
    with pytest.raises(StreamRestartedError, match=r'after 2 items were read; .* restart="skip"') as raised:
        next(strict)
    assert (raised.value.task_id, raised.value.seen) == (handle.id, 2)
    # What it had been sent already, and then the rest of the second attempt.
    assert [number for _, number in patient] == [1, 2]
    assert list(handle.stream(restart="raise", timeout=WAIT)) == [(2, 0), (2, 1), (2, 2)]


def test_what_a_killed_attempt_yielded_beyond_its_successor_does_not_count(queue: TaskQueue) -> None:
    handle = told.fewer_each_time.on(queue).delay([5, 0, 2])
    ended(queue, handle.id)
    assert list(handle) == [(3, 0), (3, 1)]


def test_of_a_task_that_is_lost_the_items_of_the_last_attempt_stay(queue: TaskQueue) -> None:
    handle = told.fewer_each_time.options(crash_budget=1).on(queue).delay([3, 3])
    seen: list[object] = []
    with pytest.raises(WorkerLostError):
        seen.extend(handle.stream(timeout=WAIT))
    assert seen == [(1, 0), (1, 1), (1, 2)]


def test_a_retry_begins_the_stream_anew(queue: TaskQueue, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / str(number)).touch()
    handle = told.numbers_when_told.on(queue).delay(str(tmp_path), 3)
    assert list(handle.stream(timeout=WAIT)) == [0, 1, 2]
    (tmp_path / "0").unlink()
    assert handle.retry()
    with pytest.raises(WaitTimeoutError):
        next(handle.stream(timeout=0.3))
    (tmp_path / "0").touch()
    assert list(handle.stream(timeout=WAIT)) == [0, 1, 2]


# -- killed in the middle ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("victim", ["worker", "broker", "master"])
def test_a_stream_goes_on_when_a_process_is_killed(make_tree: MakeTree, tmp_path: Path, victim: str) -> None:
    tree = make_tree(tasks=MODULES, workers=1, cpus="off")
    handle = told.numbers_when_told.on(tree.queue).delay(str(tmp_path), 6)
    stream = handle.stream(timeout=WAIT)
    for number in range(3):
        (tmp_path / str(number)).touch()
        assert next(stream) == number
    kill(tree, victim)
    for number in range(3, 6):
        (tmp_path / str(number)).touch()
        assert next(stream) == number
    assert list(stream) == []
    assert list(handle) == [0, 1, 2, 3, 4, 5]
    assert tree.queue.attempts(handle.id)[-1].number == (1 if victim == "broker" else 2)


def test_when_the_broker_is_killed_in_a_flood_of_items_none_is_lost_or_doubled(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES, workers=2, cpus="off", log_level="info")
    handles = [told.numbers.on(tree.queue).delay(20_000), told.numbers_async.on(tree.queue).delay(20_000)]
    with ThreadPoolExecutor(2) as pool:
        reads = [pool.submit(list, handle.stream(timeout=WAIT)) for handle in handles]
        for _ in range(3):
            kill(tree, "broker")
        assert [read.result(WAIT) for read in reads] == [list(range(20_000))] * 2
    assert [len(tree.queue.attempts(handle.id)) for handle in handles] == [1, 1]


def test_while_the_broker_stands_still_the_task_waits_and_goes_on_with_the_next(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES, workers=1, cpus="off")
    handle = told.stop_the_broker.on(tree.queue).delay(5000, tree.pid_of("broker"))
    # The master replaces what stands still; until then the worker can send no more than fits on the way.
    assert list(handle.stream(timeout=WAIT)) == list(range(5000))
    assert len(tree.queue.attempts(handle.id)) == 1
