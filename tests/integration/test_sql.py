"""The views of the journal, and the queries that the documentation shows."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from supervisor import State, TaskQueue
from supervisor.journal.migrate import migrate
from tests.support import tasks
from tests.support.documents import DOCS, blocks
from tests.support.shared import ended, running
from tests.support.tree import RunningTree

QUERIES = [block.text for block in blocks(DOCS / "sql.md") if block.language == "sql"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with running(tmp_path_factory.mktemp("sql"), workers=2) as tree:
        yield tree


@pytest.fixture
def queue(shared: RunningTree) -> TaskQueue:
    return shared.queue


def ask(tree: RunningTree, query: str, *values: object) -> list[dict[str, Any]]:
    """As a stranger does: read-only, while the supervisor runs."""
    with closing(sqlite3.connect(f"file:{tree.dir}/journal.db?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query, values)]


def test_a_task_and_its_attempts_are_told(shared: RunningTree, queue: TaskQueue) -> None:
    good = tasks.fail_until.on(queue).options(max_retries=2, retry_delay=0.01, queue="mail").delay(2).id
    killed = tasks.endless_loop.on(queue).options(timeout=0.3, max_retries=0).delay().id
    assert ended(queue, good).state is State.SUCCEEDED
    assert ended(queue, killed).state is State.TIMED_OUT
    (row,) = ask(shared, "SELECT * FROM task_history WHERE id = ?", good)
    assert (row["queue"], row["state"], row["attempts"]) == ("mail", "succeeded", 2)
    assert 0 <= row["ran_seconds"] < 30
    (row,) = ask(shared, "SELECT * FROM task_history WHERE id = ?", killed)
    assert (row["state"], row["timeout"], row["attempts"]) == ("timed_out", 0.3, 1)
    attempts = ask(shared, "SELECT * FROM attempt_history WHERE task_id = ? ORDER BY number", good)
    assert [(each["number"], each["cause"]) for each in attempts] == [(1, "exception"), (2, None)]
    (kill,) = ask(shared, "SELECT * FROM attempt_history WHERE task_id = ?", killed)
    assert kill["cause"] == "timeout"
    assert "endless_loop" in kill["stack"]
    (worker,) = ask(shared, "SELECT * FROM worker_history WHERE pid = ?", kill["pid"])
    assert worker["killed"] == 1


def test_what_was_said_is_told(shared: RunningTree, queue: TaskQueue) -> None:
    task_id = tasks.shout.on(queue).delay(200).id
    ended(queue, task_id)
    rows = ask(shared, "SELECT text FROM log_history WHERE task_id = ? ORDER BY lease, piece", task_id)
    assert len("".join(row["text"] for row in rows)) == 200


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 300])
def test_parents_are_told_however_many_there_are(shared: RunningTree, queue: TaskQueue, count: int) -> None:
    parents = queue.submit_many(tasks.add, [(1, 1)] * count)
    child = tasks.add.on(queue).options(parent=parents).delay(1, 2)
    rows = ask(shared, "SELECT * FROM parent_history WHERE task_id = ? ORDER BY number", child.id)
    assert [row["parent_id"] for row in rows] == parents
    assert child.result(timeout=60) == 3


def test_a_task_without_parents_has_none(shared: RunningTree, queue: TaskQueue) -> None:
    task_id = tasks.add.on(queue).delay(1, 1).id
    assert ask(shared, "SELECT * FROM parent_history WHERE task_id = ?", task_id) == []


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_the_queries_of_the_documentation_run_and_find_something(
    shared: RunningTree, queue: TaskQueue, query: str
) -> None:
    if "waits" in query or "ended_at IS NULL" in query:
        _ = tasks.add.on(queue).options(delay="1h").delay(1, 1)
    for handle in (
        tasks.fail.on(queue).options(max_retries=0).delay("for a query"),
        tasks.endless_loop.on(queue).options(timeout=0.2, max_retries=0).delay(),
        tasks.shout.on(queue).delay(100),
    ):
        ended(queue, handle.id)
    assert ask(shared, query) != []


def test_every_view_is_described() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        page = (DOCS / "sql.md").read_text()
        views = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'view'")]
        for view in views:
            (described,) = re.findall(rf"^\| `{view}` \| [^|]* \| ([^|]*) \|$", page, re.MULTILINE)
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({view})")]
            assert re.findall(r"`(\w+)`", described) == columns
    assert len(views) == 5
