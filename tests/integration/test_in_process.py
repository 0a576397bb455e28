"""What the in-process mode says of tasks is what a tree of processes says: every way to end that needs no kill."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from supervisor import TaskConfig, TaskQueue, TaskRecord, current_task
from supervisor.testing import in_process
from tests.support import mode_tasks as tasks
from tests.support.shared import ended, running

MODULE = "tests.support.mode_tasks"
NEVER_ALIKE = {"id", "worker", "created_at", "due_at", "started_at", "ended_at"}
SETTINGS: dict[str, Any] = {"retry_delay": "20ms", "retry_jitter": "0s", "backoff": 1, "payloads": "pickle"}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TaskQueue]:
    with running(tmp_path_factory.mktemp("tree"), tasks=[MODULE], **SETTINGS) as tree:
        yield tree.queue


def local(number: int) -> str:
    return f"{number} {current_task().attempt} {current_task().name}"


def cancelled(queue: TaskQueue) -> str:
    task_id = queue.submit(tasks.double, 4, config=TaskConfig(delay=60))
    assert queue.cancel(task_id)
    return task_id


WAYS: dict[str, Any] = {
    "returns": lambda queue: queue.submit(tasks.double, 4),
    "is a coroutine": lambda queue: queue.submit(tasks.later, 4),
    "prints": lambda queue: queue.submit(tasks.talk, "words"),
    "raises": lambda queue: queue.submit(tasks.fail, "words"),
    "raises until the third": lambda queue: queue.submit(tasks.fail_until.options(retry_delay="10ms"), 3),
    "raises too often": lambda queue: queue.submit(tasks.fail_until.options(retry_delay="10ms"), 9),
    "raises Retry": lambda queue: queue.submit(tasks.again_in, 0.02),
    "raises Reject": lambda queue: queue.submit(tasks.reject),
    "leaves Python": lambda queue: queue.submit(tasks.give_up.options(max_retries=0)),
    "returns much": lambda queue: queue.submit(tasks.large, 200_000),
    "takes much": lambda queue: queue.submit(len, "x" * 200_000),
    "returns what cannot cross": lambda queue: queue.submit(tasks.unportable),
    "returns for nobody": lambda queue: queue.submit(tasks.forgetful),
    "reports progress": lambda queue: queue.submit(tasks.report.options(), 3, 4),
    "is a function by value": lambda queue: queue.submit(lambda: sorted([2, 1])),
    "is a plain function": lambda queue: queue.submit(local, 3, config=TaskConfig(name="renamed", timeout=60)),
    "goes by name": lambda queue: queue.enqueue("greet", {"to": "ann"}),
    "goes by name with nothing": lambda queue: queue.enqueue("greet"),
    "never starts": cancelled,
    "submits and waits": lambda queue: queue.submit(tasks.nest, 1),
}


def told(record: TaskRecord) -> dict[str, Any]:
    """A record without what differs from run to run."""
    plain = {name: value for name, value in asdict(record).items() if name not in NEVER_ALIKE}
    if record.result == record.id:
        plain["result"] = "its own id"
    if record.progress is not None:
        plain["progress"] = (record.progress.done, record.progress.total, record.progress.message)
    return plain


@pytest.mark.parametrize("way", WAYS)
def test_a_task_that(way: str, real: TaskQueue) -> None:
    there = real_id = WAYS[way](real)
    with in_process(MODULE, **SETTINGS) as queue:
        here = WAYS[way](queue)
        queue.run_due(within="10s")
        found, attempts = queue.get_result(here), queue.attempts(here)
    expected = ended(real, real_id)
    assert found is not None
    assert told(found) == told(expected)
    assert [(each.number, each.cause, each.error) for each in attempts] == [
        (each.number, each.cause, each.error) for each in real.attempts(there)
    ]
