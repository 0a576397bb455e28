"""What tasks print and log, as lines: kept by attempt, followed while they run, and in the supervisor's own log."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor import (
    LogLine,
    State,
    TaskConfig,
    TaskQueue,
    UnknownTaskError,
    WaitTimeoutError,
    current_task,
)
from tests.conftest import MakeTree
from tests.support import talking_tasks, tasks
from tests.support.killing import kill
from tests.support.shared import ended, running
from tests.support.tree import RunningTree
from tests.support.waiting import until

WAIT = 60.0
MODULES = ["tests.support.tasks", "tests.support.talking_tasks"]
LIMIT = 64 * 1024


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with running(tmp_path_factory.mktemp("talking"), tasks=MODULES, workers=3, log_level="info") as tree:
        yield tree


@pytest.fixture
def queue(shared: RunningTree) -> TaskQueue:
    return shared.queue


def messages(lines: list[LogLine]) -> list[str]:
    return [line.message for line in lines]


def numbered(count: int) -> list[str]:
    return [f"line {number}" for number in range(count)]


# -- what is kept ------------------------------------------------------------------------------------------------


def test_prints_and_log_records_are_kept_as_lines(queue: TaskQueue) -> None:
    before = time.time()
    task_id = queue.submit(talking_tasks.say_everything)
    record = queue.wait(task_id, WAIT)
    lines = queue.logs(task_id)
    found = {line.stream + " " + line.message.partition("\n")[0]: line for line in lines}
    name = "tests.support.talking_tasks"
    assert [(key, line.level, line.logger) for key, line in found.items() if line.stream != "raw"] == [
        ("stdout printed in pieces", "info", ""),
        ("stderr to stderr", "info", ""),
        ("log import of a file", "info", name),
        ("log from the task's own", "warning", f"{name}.say_everything"),
        ("log failed", "error", name),
    ]
    assert "raw past Python" in found
    assert found["log import of a file"].extra == {"step": 1, "rows": [1, 2], "what": repr(object)}
    assert found["log failed"].message.startswith("failed\nTraceback (most recent call last):\n")
    assert found["log failed"].message.endswith("ValueError: on purpose")
    assert all(before - 1 <= line.at <= time.time() + 1 for line in lines)
    assert {line.attempt for line in lines} == {1}
    assert f"INFO {name}: import of a file\n" in record.output
    assert "printed in pieces\n" in record.output


def test_lines_are_told_apart_by_attempt(queue: TaskQueue) -> None:
    def say_attempt() -> None:
        print("attempt", current_task().attempt)
        current_task().log.info("once more")
        if current_task().attempt < 3:
            raise ValueError

    task_id = queue.submit(say_attempt, config=TaskConfig(retry_delay=0))
    record = queue.wait(task_id, WAIT)
    lines = queue.logs(task_id)
    assert [(line.attempt, line.message) for line in lines if line.stream == "stdout"] == [
        (1, "attempt 1"),
        (2, "attempt 2"),
        (3, "attempt 3"),
    ]
    assert messages(queue.logs(task_id, attempt=2)) == ["attempt 2", "once more"]
    assert record.output.startswith("attempt 3\n")
    assert [attempt.output.split("\n")[0] for attempt in queue.attempts(task_id)] == [
        f"attempt {number}" for number in (1, 2, 3)
    ]


def test_the_level_of_what_is_kept_can_be_set(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES, workers=1, cpus="off", task_log_level="debug", log_level="warning")
    task_id = tree.queue.submit(talking_tasks.say_everything)
    tree.queue.wait(task_id, WAIT)
    assert "not kept" in messages(tree.queue.logs(task_id))
    # The setting log_level is for the supervisor's own log alone.
    until(lambda: "from the task's own" in tree.log.read_text(), "the warning in the log")
    assert "import of a file" not in tree.log.read_text()


def test_threads_and_forks_of_a_task_log_too_and_long_records_stay_whole(queue: TaskQueue) -> None:
    def log_in_parallel() -> None:
        def say(who: str) -> None:
            for number in range(20):
                logging.getLogger(who).info(f"{number} " + who * 3000, extra={"who": who})

        threads = [threading.Thread(target=say, args=(who,)) for who in "ab"]
        pid = os.fork()
        if pid == 0:
            say("c")
            os._exit(0)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        os.waitpid(pid, 0)

    task_id = queue.submit(log_in_parallel)
    queue.wait(task_id, WAIT)
    lines = [line for line in queue.logs(task_id) if line.stream == "log"]
    assert len(lines) >= 15, "as many as the limit allows"
    whole = [line for line in lines if line.message.startswith(tuple("0123456789"))]
    assert len(whole) >= len(lines) - 1, "but for the one at which what was dropped ends"
    for line in whole:
        number, text = line.message.split(" ")
        assert (text, line.logger, line.extra) == (line.logger * 3000, line.logger, {"who": line.logger}), number


def test_extra_fields_of_every_sort_are_kept_as_plain_data(queue: TaskQueue) -> None:
    def log() -> None:
        class Odd:
            def __repr__(self) -> str:
                raise RuntimeError

        circle: list[object] = []
        circle.append(circle)
        fields = {"text": "x", "nested": {"a": [1, None]}, "odd": Odd(), "circle": circle, "long": "y" * 100_000}
        logging.getLogger("app").info("fields", extra=fields)
        logging.getLogger("app").info("%d", "no number")

    task_id = queue.submit(log)
    queue.wait(task_id, WAIT)
    first = queue.logs(task_id)[0]
    assert first.extra["text"] == "x"
    assert first.extra["nested"] == {"a": [1, None]}
    assert first.extra["odd"] == "<Odd that cannot be shown: RuntimeError>"
    assert first.extra["circle"] == "[[...]]"
    assert len(first.extra["long"]) == 1000
    assert "--- Logging error ---" in queue.get_result(task_id).output  # type: ignore[union-attr]


def test_what_is_over_the_limit_is_dropped_and_counted(queue: TaskQueue) -> None:
    def flood() -> None:
        for number in range(20_000):
            logging.getLogger("app").info("line %d", number) if number % 2 else print(f"line {number}")

    task_id = queue.submit(flood)
    record = queue.wait(task_id, WAIT)
    lines = queue.logs(task_id)
    (note,) = [number for number, line in enumerate(lines) if line.stream == "supervisor"]
    assert messages(lines[: note - 1]) == numbered(note - 1), "but for the one that was torn"
    assert messages(lines[note + 2 :]) == numbered(20_000)[-len(lines) + note + 2 :], "and its other end"
    assert lines[note].message in record.output
    assert len(record.output) <= LIMIT + 200
    assert lines[-1].message == "line 19999"


def test_handlers_of_the_application_do_not_have_a_line_kept_twice(make_tree: MakeTree, tmp_path: Path) -> None:
    (tmp_path / "configured.py").write_text(
        "import logging\n"
        "from supervisor import task\n"
        "logging.basicConfig(level=logging.WARNING, format='theirs: %(message)s')\n"
        "logging.getLogger('aside').propagate = False\n"
        "logging.getLogger('aside').addHandler(logging.StreamHandler())\n"
        "@task\n"
        "def say():\n"
        "    logging.getLogger('app').warning('to the root')\n"
        "    logging.getLogger('app').info('below their level')\n"
        "    logging.getLogger('aside').warning('past the root')\n",
        encoding="utf-8",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        tree = make_tree(tasks="configured", workers=1, cpus="off")
        patch.syspath_prepend(str(tmp_path))
        import configured  # type: ignore[import-not-found]  # noqa: PLC0415

        task_id = configured.say.on(tree.queue).delay().id
        tree.queue.wait(task_id, WAIT)
    lines = tree.queue.logs(task_id)
    assert [(line.stream, line.message) for line in lines] == [("log", "to the root"), ("stderr", "past the root")]


def test_a_soft_limit_is_not_lost_in_the_middle_of_logging(queue: TaskQueue) -> None:
    def log_for_ever() -> None:
        while True:
            logging.getLogger("app").info("and on")

    ids = [queue.submit(log_for_ever, config=TaskConfig(soft_timeout=0.2, timeout=20, max_retries=0)) for _ in range(3)]
    for task_id in ids:
        found = ended(queue, task_id)
        assert (found.state, found.error and found.error.type) == (State.FAILED, "supervisor.errors.SoftTimeoutError")


# -- following ---------------------------------------------------------------------------------------------------


def test_lines_are_followed_as_they_come(queue: TaskQueue, tmp_path: Path) -> None:
    task_id = queue.submit(talking_tasks.say_when_told, str(tmp_path), ["one", "two", "three"])
    following = queue.follow(task_id, timeout=WAIT)
    for word in ("one", "two", "three"):
        (tmp_path / word).touch()
        assert next(following).message == word, "while the task runs"
    (tmp_path / "end").touch()
    assert list(following) == []
    assert queue.state(task_id) is State.SUCCEEDED
    assert messages(list(queue.follow(task_id))) == ["one", "two", "three"], "afterwards too"


def test_asyncio_follows_many_tasks_at_once_without_blocking(queue: TaskQueue, tmp_path: Path) -> None:
    async def follow(task_id: str) -> list[str]:
        return [line.message async for line in queue.afollow(task_id, timeout=WAIT)]

    async def main() -> list[list[str]]:
        task_id = await queue.asubmit(talking_tasks.say_when_told, str(tmp_path), ["one", "two"])
        readers = [asyncio.create_task(follow(task_id)) for _ in range(20)]
        for word in ("one", "two", "end"):
            await asyncio.sleep(0)
            (tmp_path / word).touch()
        return await asyncio.gather(*readers)

    assert asyncio.run(main()) == [["one", "two"]] * 20


def test_following_goes_on_over_attempts(queue: TaskQueue) -> None:
    task_id = queue.submit(talking_tasks.count_lines, 6, kill_at=3)
    lines = list(queue.follow(task_id, timeout=WAIT))
    assert [(line.attempt, line.message) for line in lines] == [
        *((1, f"line {number}") for number in range(3)),
        *((2, f"line {number}") for number in range(6)),
    ]
    assert lines == queue.logs(task_id)


def test_what_is_behind_the_first_half_is_followed_live_too(queue: TaskQueue, tmp_path: Path) -> None:
    def flood_then_wait(folder: str) -> None:
        for _ in range(1000):
            print("x" * 99)
        print("now")
        tasks.wait_for_file(folder + "/end", 60.0)

    task_id = queue.submit(flood_then_wait, str(tmp_path))
    for line in queue.follow(task_id, timeout=WAIT):
        if line.message == "now":
            assert queue.state(task_id) is State.RUNNING
            (tmp_path / "end").touch()
    assert "now" in messages(queue.logs(task_id))


def test_a_follower_that_does_not_read_costs_the_broker_nothing(queue: TaskQueue) -> None:
    task_id = queue.submit(talking_tasks.count_lines, 5000)
    following = queue.follow(task_id, timeout=WAIT)
    next(following)
    assert queue.wait(task_id, WAIT).state is State.SUCCEEDED
    assert queue.stats().waiting_calls == 0
    assert messages(list(following))[-1] == "line 4999"


def test_who_follows_waits_no_longer_than_it_wants_and_for_nothing_unknown(queue: TaskQueue, tmp_path: Path) -> None:
    task_id = queue.submit(tasks.wait_for_file, str(tmp_path / "go"))
    with pytest.raises(WaitTimeoutError):
        list(queue.follow(task_id, timeout=0.2))
    (tmp_path / "go").touch()
    assert list(queue.follow(task_id, timeout=WAIT)) == []
    with pytest.raises(UnknownTaskError):
        list(queue.follow("0" * 32))
    with pytest.raises(UnknownTaskError):
        queue.logs("no id")


# -- killed in the middle ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("victim", ["worker", "broker", "master"])
def test_nothing_is_lost_or_doubled_when_a_process_is_killed_while_it_is_followed(
    make_tree: MakeTree, tmp_path: Path, victim: str
) -> None:
    tree = make_tree(tasks=MODULES, workers=1, cpus="off")
    handle = talking_tasks.say_when_told.on(tree.queue).delay(str(tmp_path), ["one", "two", "three"])
    following = handle.follow(timeout=WAIT)
    (tmp_path / "one").touch()
    assert next(following).message == "one"
    kill(tree, victim)
    for word in ("two", "three", "end"):
        (tmp_path / word).touch()
    lines = list(following)
    second = [] if victim == "broker" else ["one"]
    assert messages(lines) == [*second, "two", "three"]
    assert {line.attempt for line in lines} == {1 if victim == "broker" else 2}
    assert handle.logs() == list(handle.follow())
    assert messages(handle.logs()) == ["one", *second, "two", "three"]


def test_a_log_of_a_task_that_is_killed_at_its_limit_is_whole(queue: TaskQueue) -> None:
    def log_and_hang() -> None:
        for number in range(100):
            logging.getLogger("app").info("line %d", number)
        while True:
            pass

    task_id = queue.submit(log_and_hang, config=TaskConfig(timeout=0.5, max_retries=0))
    assert ended(queue, task_id).state is State.TIMED_OUT
    assert messages(queue.logs(task_id)) == numbered(100)


# -- the supervisor's own log ------------------------------------------------------------------------------------


def test_the_same_lines_go_to_the_supervisors_log_with_the_id_of_the_task(shared: RunningTree) -> None:
    task_id = shared.queue.submit(talking_tasks.say_everything)
    shared.queue.wait(task_id, WAIT)
    name = "tests.support.talking_tasks"
    who = f"supervisor task {task_id} {name}.say_everything"

    def shown() -> list[str]:
        return [line for line in shared.log.read_text().splitlines() if who in line]

    until(lambda: len(shown()) >= 6, "its lines in the log")
    for wanted in (
        f"[INFO] {who}: printed in pieces",
        f"[INFO] {who}: {name}: import of a file",
        f"[WARNING] {who}: {name}.say_everything: from the task's own",
        f"[ERROR] {who}: {name}: failed",
        f"[INFO] {who}: past Python",
    ):
        assert any(line.endswith(wanted) for line in shown()), wanted
    assert "\n    Traceback (most recent call last):\n" in shared.log.read_text(), "no line seems to be another's"


def test_a_flood_fills_neither_the_log_nor_the_queue(make_tree: MakeTree) -> None:
    tree = make_tree(workers=1, cpus="off", output_limit="2K", log_level="info")
    task_id = tree.queue.submit(tasks.shout, 1_000_000)
    tree.queue.wait(task_id, WAIT)
    tree.queue.wait(tree.queue.submit(tasks.noop), WAIT)
    until(lambda: "is not shown here" in tree.log.read_text(), "the note in the log")
    assert tree.log.read_text().count("x" * 99) <= 25


def test_a_stderr_that_nobody_reads_holds_nothing_up(tmp_path: Path) -> None:
    tree = RunningTree(tmp_path, workers=1, cpus="off", log_level="info")
    reader, writer = os.pipe()
    tree.log = Path(f"/proc/self/fd/{writer}")
    try:
        tree.start(wait=False)
        until(lambda: (tree.status() or {}).get("ready"), "a worker", WAIT)
        ids = tree.queue.submit_many(tasks.shout, [(60_000,)] * 5)
        for task_id in ids:
            assert tree.queue.wait(task_id, WAIT).result == 60_000
    finally:
        os.close(reader)
        os.close(writer)
        tree.log = tmp_path / "log.txt"
        tree.close()
