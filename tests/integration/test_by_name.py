"""Submitting by name: handlers, tasks, and who knows which names."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor import NameTakenError, QueueUnavailableError, State, TaskOptionError, TaskQueue, UnknownHandlerError
from supervisor import queue as ready
from tests.conftest import MakeTree
from tests.support import handlers
from tests.support.script import run_script
from tests.support.shared import MODULES, ended, running
from tests.support.tree import RunningTree
from tests.support.waiting import until

WAIT = 30.0
TASKS = [*MODULES, "tests.support.handlers"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with running(tmp_path_factory.mktemp("by_name"), tasks=TASKS) as tree:
        yield tree


@pytest.fixture
def queue(shared: RunningTree) -> TaskQueue:
    return shared.queue


# -- a process that knows the names ------------------------------------------------------------------------------


def test_a_handler_is_called_with_the_data(queue: TaskQueue) -> None:
    record = queue.wait(queue.enqueue("send_email", {"to": "ann"}), WAIT)
    assert record.result == {"data": {"to": "ann"}, "name": "send_email", "attempt": 1}
    assert (record.name, record.priority, record.timeout) == ("send_email", 7, 20.0)
    assert queue.wait(queue.enqueue("count"), WAIT).result == 0, "no data is an empty dict"
    assert queue.wait(queue.enqueue("repeat", "ab"), WAIT).result == "abab"


def test_the_options_of_one_call_change_those_of_the_handler(queue: TaskQueue) -> None:
    task_id = queue.enqueue("send_email", {}, priority="low", timeout="5m", delay_seconds=600)
    record = queue.get_task(task_id)
    assert record is not None
    assert (record.state, record.priority, record.timeout) == (State.SCHEDULED, -10, 300.0)
    assert record.due_at is not None
    assert 590 < record.due_at - record.created_at < 610
    assert queue.cancel(task_id)
    assert ended(queue, queue.enqueue("send_invoice", {}, max_retries=2)).attempt == 3
    with pytest.raises(TaskOptionError, match=r"did you mean 'priority'\?"):
        queue.enqueue("send_email", {}, prioriti=1)  # type: ignore[call-arg]


def test_a_task_is_called_by_name_with_the_items_as_arguments(queue: TaskQueue) -> None:
    assert queue.wait(queue.enqueue("total", {"left": 2, "right": 3}), WAIT).result == 5
    assert queue.wait(queue.enqueue("tests.support.tasks.add", {"left": 1, "right": 1}), WAIT).result == 2
    with pytest.raises(TypeError, match="a mapping, not a list"):
        queue.enqueue("total", [2, 3])


def test_names_are_given_once(queue: TaskQueue) -> None:
    with pytest.raises(NameTakenError, match=r"handlers\.send_email and .*\.other are both registered as 'send_email'"):

        @ready.register_handler("send_email")
        def other(data: object) -> None: ...

    assert queue.register_handler("send_email", handlers.send_email) is handlers.send_email


def test_asyncio_has_it_too(shared: RunningTree) -> None:
    async def main() -> None:
        queue = TaskQueue(shared.dir)
        record = await queue.await_(await queue.aenqueue("send_email", {"to": "bob"}, priority=1), WAIT)
        assert record.result["data"] == {"to": "bob"}
        with pytest.raises(UnknownHandlerError, match=r"'send_emial': did you mean 'send_email'\?"):
            await queue.aenqueue("send_emial", {})

    asyncio.run(main())


def test_what_nobody_knows_is_refused_at_once_and_the_nearest_is_named(queue: TaskQueue) -> None:
    before = queue.stats().unfinished
    with pytest.raises(UnknownHandlerError) as refused:
        queue.enqueue("sendemail", {})
    assert refused.value.nearest == "send_email"
    with pytest.raises(UnknownHandlerError, match="register it in a module that is named in `tasks`"):
        queue.enqueue("brew_coffee", {})
    for name in (5, "", "x" * 256):
        with pytest.raises(TaskOptionError, match="text of 1 to 255 characters"):
            queue.enqueue(name, {})  # type: ignore[arg-type]
        with pytest.raises(TaskOptionError, match="text of 1 to 255 characters"):
            queue.register_handler(name, handlers.send_email)  # type: ignore[arg-type]
    with pytest.raises(TaskOptionError, match="delay_seconds='soon' makes no sense: expected a duration"):
        queue.enqueue("send_email", {}, delay_seconds="soon")
    with pytest.raises(TypeError, match=r"such as TaskConfig\(max_retries=2\), not a dict"):
        queue.submit(handlers.send_email, {}, config={"max_retries": 2})  # type: ignore[arg-type]
    assert queue.stats().unfinished == before


# -- processes that know nothing, or something else --------------------------------------------------------------


def test_a_script_that_imports_nothing_asks_the_broker(shared: RunningTree) -> None:
    told = run_script(
        shared,
        """
        import asyncio
        from supervisor import UnknownHandlerError, queue
        task_id = queue.enqueue("send_email", {"to": "eve"})
        record = queue.wait(task_id, 30)
        print(record.result["data"], record.result["name"], record.priority, record.timeout)
        print(queue.wait(queue.enqueue("total", {"left": 20, "right": 3}), 30).result)
        print(queue.wait(queue.enqueue("repeat", "x" * 200_000), 30).result.count("x"))
        for name in ("send_emails", "brew_coffee"):
            try:
                queue.enqueue(name, {})
            except UnknownHandlerError as error:
                print(error)
        try:
            asyncio.run(queue.aenqueue("totl", {}))
        except UnknownHandlerError as error:
            print(error)
        """,
    )
    assert told.splitlines() == [
        "{'to': 'eve'} send_email 7 20.0",
        "23",
        "400000",
        "no task or handler is registered as 'send_emails': did you mean 'send_email'?",
        "no task or handler is registered as 'brew_coffee': register it in a module that is named in `tasks`",
        "no task or handler is registered as 'totl': did you mean 'total'?",
    ]


def test_a_script_that_imports_nothing_has_the_errors_handled_as_they_were_registered(shared: RunningTree) -> None:
    told = run_script(
        shared,
        """
        from supervisor import SupervisorError, queue
        record = queue.wait(queue.enqueue("never_again", {}), 30)
        print(record.state, record.attempt, record.error)
        try:
            queue.wait(queue.enqueue("die_once", {}), 30)
        except SupervisorError as error:
            print(type(error).__name__)
        """,
    )
    assert told.splitlines() == ["failed 1 KeyError: 'no'", "WorkerLostError"]


def test_a_script_that_only_imports_the_tasks_module_needs_not_ask(shared: RunningTree) -> None:
    told = run_script(
        shared,
        f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent.parent.parent)!r})
        from tests.support import handlers
        from supervisor import UnknownHandlerError, queue
        print(queue.wait(queue.enqueue("count", {{"a": 1}}), 30).result)
        try:
            queue.enqueue("coumt", {{}})
        except UnknownHandlerError as error:
            print(error)
        """,
    )
    assert told.splitlines() == ["1", "no task or handler is registered as 'coumt': did you mean 'count'?"]


def test_a_handler_of_the_script_itself_travels_with_the_call(shared: RunningTree) -> None:
    told = run_script(
        shared,
        """
        from supervisor import UnknownHandlerError, queue

        @queue.register_handler("resize", timeout=9)
        def resize(data):
            return 2 * data["width"]

        record = queue.wait(queue.enqueue("resize", {"width": 21}), 30)
        print(record.name, record.timeout, record.result)
        try:
            queue.enqueue("resise", {})
        except UnknownHandlerError as error:
            print(error)
        """,
    )
    expected = ["resize 9.0 42", "no task or handler is registered as 'resise': did you mean 'resize'?"]
    assert told.splitlines() == expected


# -- what happens around it --------------------------------------------------------------------------------------


def another(tree: RunningTree, role: str, pid: int) -> bool:
    """Whether another process has this role by now."""
    return tree.pid_of(role) not in (0, pid)


def test_a_new_broker_knows_the_names(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=TASKS)
    stranger = "from supervisor import queue; print(queue.wait(queue.enqueue('total', {'left': 4}), 30).result)"
    for role in ("broker", "template"):
        pid = tree.pid_of(role)
        os.kill(pid, signal.SIGKILL)
        until(functools.partial(another, tree, role, pid), f"a new {role}", WAIT)
        assert run_script(tree, stranger) == "4\n"


SLOW = """
import os, time
from supervisor import queue
while not os.path.exists({flag!r}):
    time.sleep(0.01)

@queue.register_handler("late")
def late(data):
    return "late, but there"
"""


def test_before_the_tasks_are_imported_a_name_is_waited_for(
    make_tree: MakeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag = tmp_path / "flag"
    (tmp_path / "slow_handlers.py").write_text(SLOW.format(flag=str(flag)))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    tree = make_tree(start=False, tasks="slow_handlers").start(wait=False)
    until((tree.dir / "queue.sock").exists, "a socket", WAIT)
    TaskQueue(tree.dir, timeout=WAIT).stats()
    impatient = TaskQueue(tree.dir, timeout=0.5)
    with pytest.raises(QueueUnavailableError, match="its tasks are not imported yet"):
        impatient.enqueue("late", {})
    flag.touch()
    assert TaskQueue(tree.dir, timeout=WAIT).enqueue("late", {})
