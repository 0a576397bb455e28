"""While the supervisor is away: what the journal knows is told, and marked; the rest is a 503 that says why."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import MakeTree
from tests.support import tasks
from tests.support.dashboards import OPERATOR, PASSWORDS, Client, Dashboard
from tests.support.shared import ended
from tests.support.tree import RunningTree
from tests.support.waiting import until


@pytest.fixture
def site(tree: RunningTree, tmp_path: Path) -> Iterator[Dashboard]:
    made = Dashboard(tmp_path, tree.dir, PASSWORDS)
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.fixture
def client(site: Dashboard) -> Iterator[Client]:
    with site.client(OPERATOR) as client:
        yield client


def test_what_the_journal_knows_is_told_and_marked_when_the_supervisor_was_stopped(
    tree: RunningTree, client: Client
) -> None:
    good = tasks.add.on(tree.queue).delay(1, 2).id
    bad = tasks.fail.on(tree.queue).options(max_retries=0).delay().id
    for task_id in (good, bad):
        ended(tree.queue, task_id)
    token = client.token
    assert client.get("/api/tasks")["live"] is True
    tree.stop()
    begin = time.monotonic()
    listed = client.get("/api/tasks")
    assert (listed["live"], {each["id"] for each in listed["tasks"]}) == (False, {good, bad})
    told = client.get(f"/api/tasks/{good}")
    assert (told["live"], told["task"]["state"], len(told["attempts"])) == (False, "succeeded", 1)
    assert (told["result"]["present"], told["result"]["note"]) == (True, "it is shown while the supervisor runs")
    assert client.get("/api/dead")["tasks"][0]["id"] == bad
    assert client.get(f"/api/tasks/{bad}/logs") == {"live": False, "ended": True, "lines": []}
    assert client.get(f"/api/tasks/{good}/progress")["live"] is False
    assert client.get(f"/api/tasks/{good}/graph")["live"] is False
    assert client.get("/api/workers/history")["live"] is False
    assert client.get("/api/system")["live"] is False
    assert client.get("/api/audit")["live"] is False
    overview = client.get("/api/overview")
    assert (overview["live"], overview["reason"]) == (False, "no supervisor runs there")
    assert time.monotonic() - begin < 3.0, "it waits for nobody"
    for path in ("/api/queues", "/api/workers", "/api/schedules", "/api/stats"):
        answer = client.http.get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert "does not answer" in answer.json()["detail"]
    refused = client.http.post(f"/api/tasks/{bad}/retry", headers={"X-CSRF-Token": token})
    assert (refused.status_code, refused.json()["title"]) == (503, "Service Unavailable")
    ready = client.http.get("/readyz")
    assert (ready.status_code, ready.json()["live"]) == (503, False)
    assert "does not answer" in ready.json()["reasons"][0]


def test_it_is_live_again_when_the_supervisor_is(tree: RunningTree, client: Client) -> None:
    os.kill(tree.pid_of("broker"), signal.SIGKILL)
    until(lambda: client.get("/api/overview")["live"], "a live overview", 20.0)
    tree.stop()
    until(lambda: not client.get("/api/overview")["live"], "that it is away", 20.0)
    tree.start()
    until(lambda: client.get("/api/overview")["live"], "a live overview", 20.0)


def test_a_broker_that_hangs_is_waited_for_once(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree()
    task_id = tasks.add.on(tree.queue).delay(1, 2).id
    ended(tree.queue, task_id)
    site = Dashboard(tmp_path, tree.dir, PASSWORDS).start()
    stopped = [tree.pid_of(role) for role in ("guardian", "master", "broker")]  # each would replace the next
    try:
        with site.client(OPERATOR) as client:
            client.get("/api/tasks")
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            until(lambda: not client.get("/api/tasks")["live"], "a list without it", 20.0)
            begin = time.monotonic()
            for _ in range(10):
                assert client.get(f"/api/tasks/{task_id}")["live"] is False
            assert time.monotonic() - begin < 3.0, "each would take a second and a half"
            for pid in reversed(stopped):
                os.kill(pid, signal.SIGCONT)
            until(lambda: client.get("/api/tasks")["live"], "a list with it", 20.0)
    finally:
        for pid in reversed(stopped):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        site.stop()


def test_it_is_not_ready_while_the_queue_takes_nothing_in(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree()
    tree.queue.drain(1.0)
    site = Dashboard(tmp_path, tree.dir).start()
    try:
        with site.client() as client:
            answer = client.http.get("/readyz")
            assert (answer.status_code, answer.json()["reasons"]) == (
                503,
                ["the queue was drained; `supervisor drain --open` or TaskQueue.open() opens it again"],
            )
            tree.queue.open()
            until(lambda: client.http.get("/readyz").status_code == 200, "that it is ready")
    finally:
        site.stop()


def test_without_a_journal_the_lists_say_why_and_the_rest_answers(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(durability="off")
    task_id = tasks.add.on(tree.queue).delay(1, 2).id
    ended(tree.queue, task_id)
    site = Dashboard(tmp_path, tree.dir).start()
    try:
        with site.client() as client:
            answer = client.http.get("/api/tasks")
            assert (answer.status_code, 'at durability "off" nothing is written' in answer.json()["detail"]) == (
                503,
                True,
            )
            assert client.get(f"/api/tasks/{task_id}")["result"]["value"] == 3
            assert client.get("/api/overview")["durability"] == "off"
    finally:
        site.stop()
