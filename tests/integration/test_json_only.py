"""A supervisor that takes JSON only: nothing is unpickled anywhere, and only what was registered runs."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor import (
    PayloadRefusedError,
    SerializationError,
    State,
    TaskConfig,
    TaskQueue,
    UnknownHandlerError,
)
from supervisor.client import calls
from supervisor.client.manager import QueueProxy
from supervisor.directory import Directory
from supervisor.errors import BadRequestError, MessageTooLargeError
from supervisor.ids import new_id, to_text
from supervisor.payload_files import ARGUMENTS, path_of, write_file
from supervisor.wire.call_kind import AS_JSON, BY_NAME, BY_REFERENCE, BY_VALUE, header
from supervisor.wire.messages import Files, Submission
from tests.conftest import MakeTree
from tests.support import handlers, tasks
from tests.support.script import run_script
from tests.support.shared import ended, running
from tests.support.tree import RunningTree

WAIT = 30.0
TASKS = ["tests.support.tasks", "tests.support.handlers"]


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.system, (f"echo boom > {self.path}",)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    folder = tmp_path_factory.mktemp("json_only")
    with running(folder, tasks=TASKS, payloads="json", inline_limit="2K", payload_limit="100K") as tree:
        yield tree


@pytest.fixture
def queue(shared: RunningTree) -> TaskQueue:
    return shared.queue


# -- what runs ---------------------------------------------------------------------------------------------------


def test_tasks_and_handlers_run_with_json(queue: TaskQueue) -> None:
    assert tasks.add.on(queue).delay(2, right=3).result(WAIT) == 5
    assert queue.wait(queue.submit(tasks.add, 1, 2), WAIT).result == 3
    assert queue.wait(queue.submit(handlers.send_email, {"to": "ann"}), WAIT).result["data"] == {"to": "ann"}
    assert queue.wait(queue.enqueue("send_email", {"to": "bob"}), WAIT).result["data"] == {"to": "bob"}
    assert [handle.result(WAIT) for handle in handlers.total.on(queue).map([(1, 1), (2, 2)])] == [2, 4]
    assert handlers.identity.on(queue).delay({"a": [1, None, "é", 2.5, True]}).result(WAIT) == {
        "a": [1, None, "é", 2.5, True]
    }


def test_what_json_lacks_becomes_what_is_nearest(queue: TaskQueue) -> None:
    assert handlers.identity.on(queue).delay((1, (2, 3))).result(WAIT) == [1, [2, 3]]
    assert handlers.now.on(queue).delay().result(WAIT) == "2024-02-29T12:00:00Z"


def test_a_name_of_its_own_on_the_record_changes_nothing_in_what_runs(queue: TaskQueue) -> None:
    record = queue.wait(queue.submit(tasks.add, 1, 1, config=TaskConfig(name="sums")), WAIT)
    assert (record.name, record.result) == ("sums", 2)


def test_a_script_that_imports_nothing_submits_by_name(shared: RunningTree) -> None:
    told = run_script(
        shared,
        """
        from supervisor import UnknownHandlerError, queue, task
        print(queue.wait(queue.enqueue("total", {"left": 20, "right": 3}), 30).result)
        print(queue.wait(queue.enqueue("repeat", "x" * 10_000), 30).result.count("x"))

        @task
        def own():
            return 1

        try:
            own.delay()
        except UnknownHandlerError as error:
            print(error)
        """,
    )
    assert told.splitlines() == [
        "23",
        "20000",
        "no task or handler is registered as '__main__.own': register it in a module that is named in `tasks`",
    ]


def test_the_limits_are_those_of_the_supervisor(shared: RunningTree, queue: TaskQueue) -> None:
    task_id = queue.enqueue("repeat", "y" * 3000, delay_seconds=600)
    assert path_of(Directory(shared.dir), bytes.fromhex(task_id), ARGUMENTS).stat().st_size > 3000
    queue.cancel(task_id)
    with pytest.raises(MessageTooLargeError, match="over the limit of 102,400"):
        queue.enqueue("repeat", "y" * 200_000)
    assert queue.wait(queue.enqueue("repeat", "y" * 3000), WAIT).result == "y" * 6000
    record = ended(queue, queue.enqueue("repeat", "y" * 80_000))
    assert (record.state, record.attempt) == (State.FAILED, 1), "it is not to do its work again"
    assert "over the limit of 102,400" in str(record.error)


# -- what does not -----------------------------------------------------------------------------------------------


def test_functions_that_are_not_registered_are_refused_with_a_sentence(queue: TaskQueue) -> None:
    captured = 3
    for function in (lambda: captured, handlers.unregistered, os.getpid):
        with pytest.raises(PayloadRefusedError, match=r"takes JSON only .* only functions that are registered run"):
            queue.submit(function)


def test_arguments_and_results_without_a_json_form_are_errors_that_name_them(queue: TaskQueue) -> None:
    with pytest.raises(SerializationError, match=r"argument 'right' of task .*add \(a object\).*no JSON form"):
        queue.submit(tasks.add, 1, right=object())
    record = ended(queue, queue.submit(handlers.no_json))
    assert (record.state, record.attempt) == (State.FAILED, 1), "it is not to do its work again"
    assert record.error is not None
    assert record.error.type.endswith("SerializationError")
    assert "no_json (a object) cannot be serialised: it has no JSON form" in record.error.message


def test_a_policy_of_one_call_cannot_travel(queue: TaskQueue) -> None:
    with pytest.raises(PayloadRefusedError, match="give them where the task is registered"):
        queue.enqueue("send_email", {}, retry_on=ValueError)
    assert ended(queue, queue.enqueue("never_again", {})).attempt == 1, "its own works"


def test_a_call_can_do_without_the_policy_of_its_task(queue: TaskQueue) -> None:
    """As where pickles are taken."""
    once: dict[str, Any] = {"max_retries": 1, "retry_delay": 0.0}
    assert ended(queue, queue.enqueue("never_again", {}, never_retry_on=(), **once)).attempt == 2
    config = TaskConfig(**once)
    assert ended(queue, queue.submit(handlers.never_again, {}, config=config)).attempt == 2, "with it, only those"
    died = queue.enqueue("die_once", {}, error_handler=None, crash_budget=2)
    assert ended(queue, died).attempt == 2, "nobody is asked"


# -- pickles that are sent all the same --------------------------------------------------------------------------


def send(tree: RunningTree, payload: bytes, **more: Any) -> str:
    """Submit a payload past every check of a client."""
    proxy = QueueProxy(Directory(tree.dir))
    try:
        return to_text(proxy.perform(calls.submit(Submission(more.pop("id", new_id()), "bomb", payload, **more), WAIT)))
    finally:
        proxy.close()


def bombs(path: Path) -> dict[str, bytes]:
    """A bomb in each form that a payload has."""
    arguments = pickle.dumps(((Bomb(path),), {}))
    call = pickle.dumps(("tests.support.handlers:identity", (Bomb(path),), {}))
    return {
        "by reference": BY_REFERENCE + call,
        "by value": BY_VALUE + pickle.dumps((Bomb(path), (), {})),
        "by name": header(BY_NAME, "identity") + arguments,
        "of no kind": b"?" + arguments,
        "bare": arguments,
        "empty": b"",
    }


@pytest.mark.parametrize("form", bombs(Path("x")))
def test_the_broker_refuses_a_pickle(shared: RunningTree, tmp_path: Path, form: str) -> None:
    path = tmp_path / "boom"
    with pytest.raises(PayloadRefusedError, match="takes JSON only"):
        send(shared, bombs(path)[form])
    assert not path.exists()


def test_a_pickle_that_calls_itself_json_is_refused_by_the_worker(shared: RunningTree, tmp_path: Path) -> None:
    path = tmp_path / "boom"
    for payload in (*bombs(path).values(), b"[[1]]", b"{}"):
        task_id = send(shared, header(AS_JSON, "identity") + payload)
        record = ended(shared.queue, task_id)
        assert record.state is State.FAILED
        assert record.error is not None
        assert record.error.type.endswith("PayloadRefusedError")
    assert not path.exists()


def test_a_pickle_in_a_file_is_refused_by_the_worker(shared: RunningTree, tmp_path: Path) -> None:
    path = tmp_path / "boom"
    for payload in bombs(path).values():
        task_id = new_id()
        write_file(path_of(Directory(shared.dir), task_id, ARGUMENTS), payload, durable=False)
        send(shared, header(AS_JSON, "identity"), id=task_id, files=Files.ARGUMENTS)
        record = ended(shared.queue, to_text(task_id))
        assert record.state is State.FAILED
        assert record.error is not None
        assert record.error.type.endswith("PayloadRefusedError")
    assert not path.exists()


def test_names_that_nobody_registered_cannot_be_called(shared: RunningTree, tmp_path: Path) -> None:
    for name in ("os.system", "tests.support.handlers.unregistered", "tests.support.handlers:identity"):
        with pytest.raises(UnknownHandlerError):
            send(shared, header(AS_JSON, name) + b'[["true"],{}]')
    for payload in (AS_JSON, AS_JSON + b"\xff\xffshort", AS_JSON + b"\x00\x02\xff\xff"):
        with pytest.raises(BadRequestError):
            send(shared, payload)


def test_a_worker_goes_by_the_file_and_not_by_what_the_broker_saw(shared: RunningTree) -> None:
    task_id = new_id()
    swapped = header(AS_JSON, "tests.support.handlers.unregistered") + b"[[],{}]"
    write_file(path_of(Directory(shared.dir), task_id, ARGUMENTS), swapped, durable=False)
    send(shared, header(AS_JSON, "identity"), id=task_id, files=Files.ARGUMENTS)
    record = ended(shared.queue, to_text(task_id))
    assert record.error is not None
    assert record.error.type.endswith("UnknownFunctionError")


# -- a change of mode --------------------------------------------------------------------------------------------


def make_bomb(path: str) -> object:
    """A result that runs a command when it is unpickled."""
    return Bomb(Path(path))


def test_what_was_pickled_before_is_opened_by_nobody_after_a_change(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(tasks=TASKS)
    queue, harmless = tree.queue, tmp_path / "harmless"
    result = queue.submit(make_bomb, str(tmp_path / "result"))
    small = queue.submit(tasks.add, 20, 3)
    assert queue.wait(small, WAIT).result == 23
    assert ended_state(queue, result, tmp_path) is State.SUCCEEDED
    waiting = queue.submit(tasks.note, str(harmless), config=TaskConfig(delay=2.0, max_retries=0))
    tree.stop()
    tree.settings["payloads"] = "json"
    tree.start()
    for task_id in (result, small):
        with pytest.raises(PayloadRefusedError, match="a pickle from before"):
            queue.get_result(task_id)
        with pytest.raises(PayloadRefusedError):
            queue.wait(task_id, WAIT)
    known = queue.get_task(small)
    assert known is not None
    assert known.state is State.SUCCEEDED, "the record is there, only its result is not opened"
    record = ended(queue, waiting)
    assert record.error is not None
    assert record.error.type.endswith("PayloadRefusedError")
    assert not harmless.exists()
    assert not (tmp_path / "result").exists()
    assert tasks.add.on(queue).delay(1, 2).result(WAIT) == 3, "the client has learnt of the change by itself"
    with pytest.raises(PayloadRefusedError):
        queue.submit(lambda: 1)
    as_json = tasks.add.on(queue).delay(2, 2)
    assert as_json.result(WAIT) == 4
    tree.stop()
    tree.settings["payloads"] = "pickle"
    tree.start()
    assert as_json.result(WAIT) == 4, "JSON can be read in any mode"
    assert queue.wait(queue.submit(lambda: 1), WAIT).result == 1
    queue.get_result(result)
    assert (tmp_path / "result").exists(), "the bomb is a real one"


def ended_state(queue: TaskQueue, task_id: str, folder: Path) -> State:
    """How a task ended, without a look at its result."""
    record = None
    while record is None or not record.state.ended:
        record = queue.get_task(task_id)
    assert not (folder / "result").exists()
    return record.state
