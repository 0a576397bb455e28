"""Running again: delays, requests, types of errors, handlers, and a SIGKILL in the middle of each."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from supervisor import Cause, Handle, State, Task, TaskConfig, TaskQueue, TaskRecord
from tests.conftest import MakeTree
from tests.support import failing_tasks as tasks
from tests.support.failing_tasks import told
from tests.support.script import run_script
from tests.support.shared import ended, running
from tests.support.tree import RunningTree
from tests.support.waiting import until

MODULES = ["tests.support.tasks", "tests.support.failing_tasks"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    """A tree for those who kill no more than a worker."""
    with running(tmp_path_factory.mktemp("shop"), tasks=MODULES, retry_jitter="10ms") as tree:
        yield tree


@dataclass
class Life:
    """One task, and what it and its handler said."""

    queue: TaskQueue
    handle: Handle[Any]
    path: str

    @property
    def runs(self) -> list[dict[str, Any]]:
        return [line for line in told(self.path) if line["what"] == "run"]

    @property
    def asked(self) -> list[dict[str, Any]]:
        return [line for line in told(self.path) if line["what"] == "asked"]

    def end(self) -> TaskRecord:
        return ended(self.queue, self.handle.id, 60.0)

    def history(self) -> list[tuple[int, Cause | None]]:
        return [(attempt.number, attempt.cause) for attempt in self.queue.attempts(self.handle.id)]

    def gaps(self) -> list[float]:
        """The time between the end of each attempt and the start of the next."""
        attempts = self.queue.attempts(self.handle.id)
        return [later.started_at - earlier.ended_at for earlier, later in pairwise(attempts)]


def live(tree: RunningTree, task: Task[Any, Any], deeds: list[str], answer: str = "", **options: Any) -> Life:
    """Submit a task that does these deeds, one a run, and whose handler answers so."""
    path = str(tree.folder / f"life{len(list(tree.folder.glob('life*')))}-{os.urandom(4).hex()}")
    if answer:
        Path(f"{path}.answer").write_text(answer)
    handle = task.on(tree.queue).options(name=path, **options).delay(path, deeds)
    return Life(tree.queue, handle, path)


# -- delays ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "delays"),
    [
        ({"backoff": 2}, [0.2, 0.4, 0.8]),
        ({"backoff": 1}, [0.2, 0.2, 0.2]),
        ({"backoff": 2, "max_delay": 0.3}, [0.2, 0.3, 0.3]),
        ({"backoff": 3, "retry_delay": "100ms"}, [0.1, 0.3, 0.9]),
        ({"retry_delay": 0}, [0.0, 0.0, 0.0]),
    ],
)
def test_the_delays_grow_to_their_cap(shop: RunningTree, options: dict[str, Any], delays: list[float]) -> None:
    life = live(shop, tasks.act, ["value:x"], **{"retry_delay": 0.2, "retry_jitter": 0, **options})
    assert life.end().state is State.FAILED
    assert len(life.gaps()) == len(delays)
    for gap, delay in zip(life.gaps(), delays, strict=True):
        assert delay - 0.005 <= gap <= delay + 10


def test_what_failed_together_does_not_come_back_together(shop: RunningTree) -> None:
    lives = [live(shop, tasks.act, ["value:x", "return:"], retry_delay="1m", retry_jitter=30) for _ in range(20)]

    def waits() -> list[float] | None:
        found = [life.handle.record() for life in lives]
        left = [record.due_at - life.runs[0]["at"] for record, life in zip(found, lives, strict=True) if record.due_at]
        return left if len(left) == len(lives) else None

    seconds = until(waits, "all of them waiting", 60.0)
    assert all(59.9 <= wait <= 95 for wait in seconds)
    assert max(seconds) - min(seconds) > 5
    assert all(life.handle.state() is State.RETRYING for life in lives)
    assert all(life.handle.cancel() for life in lives)


def test_the_default_is_three_retries(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES, retry_delay="10ms", retry_jitter=0)
    life = live(tree, tasks.act, ["value:x"])
    assert life.end().state is State.FAILED
    assert [run["attempt"] for run in life.runs] == [1, 2, 3, 4]


# -- what a task says ------------------------------------------------------------------------------------------------


def test_a_task_chooses_when_it_runs_again(shop: RunningTree) -> None:
    life = live(shop, tasks.act, ["retry:0.5", "retry:0", "return:done"], retry_delay="1h", retry_jitter=0)
    assert life.end().result == "done"
    assert 0.495 <= life.gaps()[0] <= 10
    assert 0.0 <= life.gaps()[1] <= 10


def test_it_has_no_more_retries_by_asking(shop: RunningTree) -> None:
    life = live(shop, tasks.act, ["retry:0"], max_retries=2)
    record = life.end()
    assert (record.state, len(life.runs)) == (State.FAILED, 3)
    assert record.error is not None
    assert record.error.message == "to be run again in 0 s: not yet"


def test_a_task_that_rejects_is_a_dead_letter_at_once(shop: RunningTree) -> None:
    life = live(shop, tasks.act, ["reject:no such customer"])
    record = life.end()
    assert (record.state, record.cause, len(life.runs)) == (State.FAILED, Cause.REJECTED, 1)
    assert "no such customer" in str(record.error)
    assert record.id in [letter.id for letter in shop.queue.dead_letters(name=life.path)]


# -- types and handlers ----------------------------------------------------------------------------------------------

RUNS = [
    (tasks.act_handled, ["value:x", "return:"], "yes", (State.SUCCEEDED, 2, ["ValueError"])),
    (tasks.act_handled, ["value:x"], "no", (State.FAILED, 1, ["ValueError"])),
    (tasks.act_handled, ["value:x"], "yes", (State.FAILED, 3, ["ValueError"] * 2)),
    (tasks.act_handled, ["value:x", "return:"], "connection:bad handler", (State.SUCCEEDED, 2, ["ValueError"])),
    (tasks.act_handled, ["value:x"], "reject:", (State.FAILED, 1, ["ValueError"])),
    (tasks.act_handled, ["retry:0", "reject:"], "no", (State.FAILED, 2, [])),
    (tasks.act_handled, ["hang", "return:"], "yes", (State.SUCCEEDED, 2, ["TaskTimeoutError"])),
    (tasks.act_handled, ["hang"], "no", (State.TIMED_OUT, 1, ["TaskTimeoutError"])),
    (tasks.act_handled, ["hang"], "yes", (State.TIMED_OUT, 3, ["TaskTimeoutError"] * 2)),
    (tasks.act_handled, ["hang"], "reject:", (State.TIMED_OUT, 1, ["TaskTimeoutError"])),
    (tasks.act_handled, ["die", "return:"], "yes", (State.SUCCEEDED, 2, ["WorkerLostError"])),
    (tasks.act_handled, ["exit:3"], "no", (State.LOST, 1, ["WorkerLostError"])),
    (tasks.act_handled, ["die"], "yes", (State.LOST, 3, ["WorkerLostError"] * 2)),
    (tasks.act_handled, ["die", "return:"], "value:bad handler", (State.SUCCEEDED, 2, ["WorkerLostError"])),
    (tasks.act_handled, ["die", "return:"], "die", (State.SUCCEEDED, 2, ["WorkerLostError"])),
    (tasks.act_handled, ["die"], "exit:9", (State.LOST, 3, ["WorkerLostError"] * 2)),
    (tasks.act_handled, ["die", "value:x", "hang", "return:"], "yes", (State.SUCCEEDED, 4,
     ["WorkerLostError", "ValueError", "TaskTimeoutError"])),
    (tasks.act_connected, ["connection:x", "return:"], "", (State.SUCCEEDED, 2, [])),
    (tasks.act_connected, ["value:x"], "", (State.FAILED, 1, [])),
    (tasks.act_connected, ["hang", "return:"], "", (State.SUCCEEDED, 2, [])),
    (tasks.act_connected, ["die", "return:"], "", (State.SUCCEEDED, 2, [])),
    (tasks.act_valued, ["connection:x", "value:x"], "", (State.FAILED, 2, [])),
    (tasks.act_valued, ["hang", "return:"], "", (State.SUCCEEDED, 2, [])),
    (tasks.act_valued, ["die"], "", (State.LOST, 1, [])),
]  # fmt: skip


@pytest.mark.parametrize(("task", "deeds", "answer", "expected"), RUNS)
def test_what_comes_after_a_failure(
    shop: RunningTree, task: Task[Any, Any], deeds: list[str], answer: str, expected: tuple[State, int, list[str]]
) -> None:
    state, runs, asked = expected
    life = live(shop, task, deeds, answer, max_retries=2, crash_budget=3, timeout=0.3, retry_delay="10ms")
    assert life.end().state is state
    assert [run["attempt"] for run in life.runs] == list(range(1, runs + 1))
    assert [line["type"] for line in life.asked] == asked
    assert all(line["id"] == line["current"] == life.handle.id for line in life.asked)
    attempts = [number for number, _ in life.history() if number]
    assert attempts == list(range(1, runs + 1)), "a question is no attempt"


def test_a_question_about_a_kill_comes_with_all_that_is_known(shop: RunningTree) -> None:
    life = live(shop, tasks.act_handled, ["value:x", "hang"], "yes", timeout=1.5, max_retries=2, retry_delay="10ms")
    assert life.end().state is State.TIMED_OUT
    first, second = life.asked
    assert (first["attempt"], second["attempt"]) == (1, 2)
    assert first["pid"] == life.runs[0]["pid"], "an error is asked about where it was raised"
    assert second["pid"] != life.runs[1]["pid"]
    assert "ran past its limit of 1.5 s" in second["text"]
    assert "in do" in second["stack"]
    printed = [attempt.output.count("the handler speaks") for attempt in life.queue.attempts(life.handle.id)]
    assert printed == [1, 1, 0]


def test_a_handler_may_be_a_coroutine_or_a_closure(shop: RunningTree) -> None:
    life = live(shop, tasks.act, ["value:x"], "no", error_handler=tasks.handle_later)
    assert (life.end().state, len(life.runs), len(life.asked)) == (State.FAILED, 1, 1)
    heard = str(shop.folder / "heard")
    life = live(shop, tasks.act, ["die", "value:x"], error_handler=lambda *about: _hear(heard, *about), max_retries=1)
    assert life.end().state is State.LOST
    assert [line["type"] for line in told(heard)] == ["WorkerLostError"]


def _hear(path: str, task_id: str, error: BaseException, attempt: int) -> bool:
    tasks.tell(path, type=type(error).__name__, attempt=attempt)
    return False


def test_options_of_one_call_come_before_those_of_the_decorator(shop: RunningTree) -> None:
    life = live(shop, tasks.act_handled, ["value:x"], "no", error_handler=None, max_retries=1, retry_delay=0)
    assert (life.end().state, len(life.runs), life.asked) == (State.FAILED, 2, [])
    config = TaskConfig(never_retry_on=ValueError, retry_delay=0)
    path = str(shop.folder / "bare")
    task_id = shop.queue.submit(tasks.act_handled, path, ["value:x"], config=config)
    assert ended(shop.queue, task_id).state is State.FAILED
    assert len(told(path)) == 1


def test_a_handler_in_the_script_that_submits(shop: RunningTree) -> None:
    out = run_script(
        shop,
        """
        from supervisor import TaskConfig, TaskTimeoutError, queue

        def hang():
            while True: pass

        def never_after_timeouts(task_id, error, attempt):
            print("asked about", type(error).__name__)
            return not isinstance(error, TaskTimeoutError)

        config = TaskConfig(timeout=0.3, retry_delay=0, error_handler=never_after_timeouts)
        task_id = queue.submit(hang, config=config)
        try:
            queue.wait(task_id, 60)
        except TaskTimeoutError:
            print(len(queue.attempts(task_id)), queue.get_task(task_id).output)
        """,
    )
    assert out.split() == ["1", "asked", "about", "TaskTimeoutError"]


def test_a_question_holds_no_place_in_a_limit(shop: RunningTree) -> None:
    gate = str(shop.folder / "limit-gate")
    first = live(shop, tasks.act_handled, ["die", "return:"], f"gate:{gate}", limit=1, limit_key="narrow")
    until(lambda: first.asked, "the question", 30.0)
    second = live(shop, tasks.act, ["return:"], limit=1, limit_key="narrow")
    assert second.end().state is State.SUCCEEDED, "nobody is inside"
    Path(gate).touch()
    assert first.end().state is State.SUCCEEDED


def test_a_task_is_cancelled_while_its_handler_is_asked(shop: RunningTree) -> None:
    life = live(shop, tasks.act_handled, ["die", "return:"], f"gate:{shop.folder / 'never'}")
    until(lambda: life.asked, "the question", 30.0)
    record = life.handle.record()
    assert (record.state, record.attempt) == (State.RUNNING, 1)
    assert life.handle.cancel()
    assert life.end().state is State.CANCELLED
    assert len(life.runs) == 1


@pytest.mark.slow
def test_a_handler_that_hangs_is_killed_and_the_usual_rule_holds(shop: RunningTree) -> None:
    life = live(shop, tasks.act_handled, ["die", "return:"], "hang")
    assert ended(shop.queue, life.handle.id, 100.0).state is State.SUCCEEDED
    assert life.history() == [(1, Cause.SIGNAL), (0, Cause.TIMEOUT), (2, None)]


# -- kills in the middle ---------------------------------------------------------------------------------------------


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def broker(tree: RunningTree) -> None:
    kill(tree.pid_of("broker"))


def master(tree: RunningTree) -> None:
    tree.remember()
    kill(tree.pid_of("master"))


@pytest.mark.parametrize("victim", [broker, master])
def test_a_kill_between_two_attempts(make_tree: MakeTree, victim: Callable[[RunningTree], None]) -> None:
    tree = make_tree(tasks=MODULES, retry_jitter=0)
    life = live(tree, tasks.act, ["value:x", "value:y", "return:done"], retry_delay=2, backoff=1)
    until(lambda: life.handle.state() is State.RETRYING, "the first failure", 30.0)
    due = life.handle.record().due_at
    victim(tree)
    record = life.end()
    assert (record.state, record.result, record.attempt) == (State.SUCCEEDED, "done", 3)
    assert [run["attempt"] for run in life.runs] == [1, 2, 3], "nothing ran twice, nothing was forgotten"
    assert due is not None
    assert life.runs[1]["at"] >= due - 0.01
    assert life.history() == [(1, Cause.EXCEPTION), (2, Cause.EXCEPTION), (3, None)]


def asking(tree: RunningTree, answer: str = "yes", **options: Any) -> tuple[Life, Path]:
    """A task whose process has died, and whose handler is being asked until a file is there."""
    gate = tree.folder / "gate"
    life = live(tree, tasks.act_handled, ["die", "return:done"], f"gate:{gate}", **options)
    until(lambda: life.asked, "the question", 30.0)
    Path(f"{life.path}.answer").write_text(answer)  # for the next one who asks
    return life, gate


def test_a_worker_is_killed_while_it_asks(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES)
    life, _ = asking(tree, "no")
    kill(life.asked[0]["pid"])
    record = life.end()
    assert (record.state, record.result) == (State.SUCCEEDED, "done"), "the usual rule: it runs again"
    assert len(life.asked) == 1
    assert life.history() == [(1, Cause.SIGNAL), (0, Cause.SIGNAL), (2, None)]


def test_the_broker_is_killed_while_a_worker_asks(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES)
    life, gate = asking(tree)
    broker(tree)
    gate.touch()
    assert life.end().state is State.SUCCEEDED
    assert (len(life.asked), len(life.runs)) == (1, 2), "the worker's answer reached the next broker"
    assert life.history() == [(1, Cause.SIGNAL), (2, None)]


@pytest.mark.parametrize(("answer", "state"), [("yes", State.SUCCEEDED), ("no", State.LOST)])
def test_the_whole_tree_is_killed_while_a_worker_asks(make_tree: MakeTree, answer: str, state: State) -> None:
    tree = make_tree(tasks=MODULES)
    life, _ = asking(tree, answer)
    master(tree)
    assert life.end().state is state
    assert [line["attempt"] for line in life.asked] == [1, 1], "asked again in the next tree"
    assert life.history()[:2] == [(1, Cause.SIGNAL), (2, Cause.ABORT)]


def test_the_whole_tree_is_killed_before_anybody_asks(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES, workers=1)
    life = live(tree, tasks.act_handled, ["gate:" + str(tree.folder / "go")], "no")
    until(lambda: life.runs, "the run", 30.0)
    tree.queue.pause()  # so that the question has to wait
    kill(life.runs[0]["pid"])
    until(lambda: life.handle.state() is State.QUEUED, "the question to wait", 30.0)
    master(tree)
    until(lambda: tree.status() and tree.queue.stats(), "the next tree", 30.0)
    assert life.asked == []
    tree.queue.resume()
    assert life.end().state is State.LOST
    assert (len(life.asked), len(life.runs)) == (1, 1)


def test_the_same_without_blocking_an_event_loop(shop: RunningTree) -> None:
    async def go() -> None:
        path = str(shop.folder / "async")
        handle = await tasks.act.on(shop.queue).options(max_retries=0).adelay(path, ["value:x", "return:done"])
        assert (await shop.queue.await_(handle.id, 30)).state is State.FAILED
        assert handle.id in [letter.id for letter in await shop.queue.adead_letters(1000)]
        assert await handle.aretry()
        assert await handle.aresult(30) == "done"
        assert [(each.number, each.cause) for each in await shop.queue.aattempts(handle.id)] == [
            (1, Cause.EXCEPTION),
            (1, None),
        ]
        assert not await shop.queue.adrop_dead_letter(handle.id)
        assert await shop.queue.aretry_dead_letters(name="nobody.*") == 0
        assert await shop.queue.adrop_dead_letters(name="nobody.*") == 0

    asyncio.run(go())
