"""What tasks print and tell: all of it kept up to a limit, and each line with the attempt that printed it."""

from __future__ import annotations

import asyncio
import ctypes
import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor import State, TaskConfig, TaskQueue, TaskRecord, current_task
from tests.conftest import MakeTree
from tests.support import tasks
from tests.support.shared import ended, running
from tests.support.tree import RunningTree
from tests.support.waiting import until

LIMIT = 64 * 1024
FLOOD = 20_000_000
WAIT = 60.0


@pytest.fixture
def make_tree(make_tree: MakeTree) -> MakeTree:
    """Trees whose workers are of ordinary niceness, so that a busy machine does not starve them."""
    return functools.partial(make_tree, cpus="off")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with running(tmp_path_factory.mktemp("output")) as tree:
        yield tree


@pytest.fixture
def queue(shared: RunningTree) -> TaskQueue:
    return shared.queue


def record(queue: TaskQueue, task_id: str) -> TaskRecord:
    return queue.wait(task_id, timeout=WAIT)


# -- where it comes from -----------------------------------------------------------------------------------------


def _print_in_every_way() -> None:
    print("by print")
    print("by stderr", file=sys.stderr)
    sys.stdout.write("without an end of line, ")
    sys.stdout.flush()
    print("ünïcødé", "\N{SNOWMAN}")
    os.write(1, b"by descriptor 1\n")
    os.write(2, b"by descriptor 2\n")
    ctypes.CDLL(None).puts(b"by C")
    ctypes.CDLL(None).fflush(None)
    os.system("echo by a shell")
    subprocess.run([sys.executable, "-c", "print('by a child')"], check=True)
    subprocess.run([sys.executable, "-c", "print('by a child with our streams')"], stdout=sys.stdout, check=True)
    if os.fork() == 0:
        print("by a fork")
        os._exit(0)
    os.wait()
    thread = threading.Thread(target=print, args=("by a thread",))
    thread.start()
    thread.join()
    warnings.warn("by a warning", stacklevel=1)


def test_everything_that_is_printed_is_kept(queue: TaskQueue) -> None:
    output = record(queue, queue.submit(_print_in_every_way)).output
    for line in (
        *("by print", "by stderr", "without an end of line, ünïcødé ☃", "by descriptor 1", "by descriptor 2", "by C"),
        *("by a shell", "by a child", "by a child with our streams", "by a fork", "by a thread"),
    ):
        assert f"{line}\n" in output, output
    assert "UserWarning: by a warning" in output


def test_what_python_prints_keeps_its_order(queue: TaskQueue) -> None:
    def count() -> None:
        for number in range(2000):
            print(number, file=sys.stdout if number % 2 else sys.stderr)

    assert record(queue, queue.submit(count)).output.split() == [str(number) for number in range(2000)]


def test_bytes_that_are_no_text_do_no_harm(queue: TaskQueue) -> None:
    def rubbish() -> str:
        os.write(1, bytes(range(256)))
        sys.stdout.buffer.write(b"\xff\xfe by the buffer\n") if hasattr(sys.stdout, "buffer") else None
        print("\udcff a lone surrogate")
        return "done"

    found = record(queue, queue.submit(rubbish))
    assert found.result == "done"
    assert "a lone surrogate" in found.output


def test_async_tasks_print_too(queue: TaskQueue) -> None:
    async def say() -> None:
        print("before")
        await asyncio.sleep(0.01)
        print("after")

    assert record(queue, queue.submit(say)).output == "before\nafter\n"


def test_logging_is_kept(queue: TaskQueue) -> None:
    def log() -> None:
        import logging  # noqa: PLC0415  by value: in the worker

        logging.getLogger("an.application").warning("by its logger")
        logging.getLogger("an.application").error("with %s", "arguments")

    output = record(queue, queue.submit(log)).output
    assert "by its logger" in output
    assert "with arguments" in output


# -- whose it is -------------------------------------------------------------------------------------------------


def _say(text: str) -> None:
    print(text)
    os.write(1, f"raw {text}\n".encode())


def test_each_line_belongs_to_the_task_that_printed_it(queue: TaskQueue) -> None:
    # Short tasks in batches, one after the other in the same few processes.
    ids = queue.submit_many(_say, [(f"task-{number}",) for number in range(400)])
    for number, task_id in enumerate(ids):
        output = record(queue, task_id).output
        assert sorted(output.splitlines()) == [f"raw task-{number}", f"task-{number}"]


def test_the_output_is_that_of_the_last_attempt(queue: TaskQueue) -> None:
    def say_attempt() -> None:
        print("attempt", current_task().attempt)
        if current_task().attempt < 3:
            raise ValueError

    task_id = queue.submit(say_attempt, config=TaskConfig(retry_delay=0))
    assert record(queue, task_id).output == "attempt 3\n"


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_what_was_printed_before_the_process_died_is_kept(queue: TaskQueue, signum: int) -> None:
    def say_and_die(signum: int) -> None:
        print("last words")
        os.write(2, b"and the very last\n")
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signum)
        time.sleep(60)

    found = ended(queue, queue.submit(say_and_die, signum, config=TaskConfig(crash_budget=1)))
    assert found.state is State.LOST
    assert "last words\n" in found.output
    assert "and the very last\n" in found.output


def test_a_running_task_can_be_read_already(queue: TaskQueue, tmp_path: Path) -> None:
    def say_and_wait(path: str) -> None:
        print("under way")
        tasks.wait_for_file(path, 60.0)

    gate = tmp_path / "gate"
    task_id = queue.submit(say_and_wait, str(gate))

    def output() -> str:
        found = queue.get_task(task_id)
        return found.output if found else ""

    until(lambda: output() == "under way\n", "the output of a running task", 20.0)
    gate.touch()
    record(queue, task_id)


# -- how much ----------------------------------------------------------------------------------------------------


def test_a_flood_is_bounded_and_hangs_nobody(queue: TaskQueue) -> None:
    task_id = queue.submit(tasks.shout, FLOOD)
    # The broker answers others meanwhile.
    for _ in range(10):
        assert record(queue, queue.submit(tasks.add, 1, 2)).result == 3
    found = record(queue, task_id)
    assert found.result == FLOOD
    assert LIMIT - 200 <= len(found.output) <= LIMIT + 200
    assert f"[… {FLOOD - LIMIT:,} characters dropped …]" in found.output
    assert found.output.startswith("x" * 99 + "\n")
    assert found.output.endswith("x" * 99 + "\n")


def test_a_flood_from_below_and_from_children_is_bounded(queue: TaskQueue) -> None:
    def flood() -> int:
        child = subprocess.Popen(["head", "-c", str(FLOOD // 2), "/dev/zero"])
        for _ in range(FLOOD // 2 // 65536):
            os.write(2, b"y" * 65536)
        print("the end")
        return child.wait()

    found = record(queue, queue.submit(flood))
    assert found.result == 0
    assert len(found.output) <= LIMIT + 200
    assert "characters dropped" in found.output


def test_a_flood_without_end_is_killed_at_the_deadline(queue: TaskQueue) -> None:
    def flood() -> None:
        print("begin")
        while True:
            os.write(1, b"z" * 65536)

    task_id = queue.submit(flood, config=TaskConfig(timeout=1.5, max_retries=0))
    assert record(queue, queue.submit(tasks.add, 1, 2)).result == 3
    found = ended(queue, task_id)
    assert found.state is State.TIMED_OUT
    assert found.output.startswith("begin\n") or "begin\n" in found.output
    assert len(found.output) <= LIMIT + 200


def test_the_limit_can_be_set(make_tree: MakeTree) -> None:
    tree = make_tree(output_limit="1K", workers=1)
    assert len(record(tree.queue, tree.queue.submit(tasks.shout, 100_000)).output) <= 1024 + 100
    assert record(tree.queue, tree.queue.submit(tasks.shout, 1000)).output == ("x" * 99 + "\n") * 10


def test_a_child_that_outlives_its_task_does_not_hold_the_result_up(queue: TaskQueue) -> None:
    def leave_a_child() -> str:
        subprocess.Popen(["sleep", "600"], start_new_session=True)
        print("left")
        return "done"

    started = time.monotonic()
    found = record(queue, queue.submit(leave_a_child))
    assert (found.result, found.output) == ("done", "left\n")
    assert time.monotonic() - started < 20


# -- progress ----------------------------------------------------------------------------------------------------


def test_progress_is_seen_while_the_task_runs_and_after(queue: TaskQueue, tmp_path: Path) -> None:
    def work(path: str) -> None:
        current_task().progress(1, 4, "a quarter")
        tasks.wait_for_file(path, 60.0)
        current_task().progress(4, 4, "done")

    gate = tmp_path / "gate"
    task_id = queue.submit(work, str(gate))
    seen = until(lambda: getattr(queue.get_task(task_id), "progress", None), "progress", 20.0)
    assert (seen.done, seen.total, seen.message, seen.percent) == (1, 4, "a quarter", 25)
    gate.touch()
    last = record(queue, task_id).progress
    assert last is not None
    assert (last.done, last.total, last.message, last.percent) == (4, 4, "done", 100)


def test_progress_can_be_told_a_hundred_thousand_times(queue: TaskQueue) -> None:
    def work() -> None:
        for number in range(100_001):
            current_task().progress(number, 100_000)

    found = record(queue, queue.submit(work)).progress
    assert found is not None
    assert found.done == 100_000


def test_progress_without_a_total_and_with_a_long_message(queue: TaskQueue) -> None:
    def work() -> None:
        current_task().progress(7, message="m" * 100_000)

    found = record(queue, queue.submit(work)).progress
    assert found is not None
    assert (found.done, found.total, found.percent) == (7, None, None)
    assert found.message.startswith("m" * 100)


def test_the_task_knows_itself(queue: TaskQueue) -> None:
    def who() -> tuple[str, int, str, float | None]:
        me = current_task()
        return me.id, me.attempt, me.name, me.time_left()

    task_id = queue.submit(who, config=TaskConfig(name="who-am-i", timeout=50))
    found_id, attempt, name, left = record(queue, task_id).result
    assert (found_id, attempt, name) == (task_id, 1, "who-am-i")
    assert left is not None
    assert 30 < left <= 50
    unlimited = queue.submit(who, config=TaskConfig(timeout=None))
    assert record(queue, unlimited).result[3] is None


def test_a_task_may_use_multiprocessing(queue: TaskQueue) -> None:
    def work() -> list[int]:
        with multiprocessing.get_context("fork").Pool(2) as pool:
            return pool.map(abs, [-1, -2, -3])

    assert record(queue, queue.submit(work)).result == [1, 2, 3]
