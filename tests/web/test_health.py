"""What ``readyz`` says of a queue that moves and of one that does not, and of when a task was last handed out."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeTree
from tests.support import tasks
from tests.support.dashboards import Client, Dashboard
from tests.support.shared import ended, written
from tests.support.tree import RunningTree
from tests.support.waiting import until

STALLED_AFTER = 4.0
DEEP = 2500
SERVE = (
    "import uvicorn; from supervisor.web import dashboard; host, port = '{bind}'.split(':');"
    f"uvicorn.run(dashboard(stalled_after={STALLED_AFTER}), host=host, port=int(port))"
)
Watch = Any


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    """Somebody who asks about a tree."""
    with ExitStack() as stack:

        def made(tree: RunningTree) -> Client:
            site = Dashboard(tmp_path, tree.dir)
            stack.callback(site.stop)
            return stack.enter_context(site.start("-c", SERVE).client())

        yield made


def ready(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = client.http.get("/readyz").json()
    return found


def old(client: Client, field: str, seconds: float) -> dict[str, Any] | None:
    found = ready(client)
    return found if (found[field] or 0.0) > seconds else None


@pytest.mark.parametrize("durability", ["normal", "off"])
def test_behind_a_deep_queue_the_last_claim_is_recent_while_it_moves_and_ages_while_it_is_paused(
    make_tree: MakeTree, watch: Watch, durability: str
) -> None:
    tree = make_tree(workers=1, durability=durability)
    tree.queue.submit_many(tasks.sleep, [(0.05,)] * DEEP)
    client = watch(tree)
    moving = until(lambda: old(client, "oldest_queued_age", STALLED_AFTER + 1.0), "tasks that have waited long", 30.0)
    assert client.get("/api/overview")["total"]["depth"] > 2000
    assert (moving["status"], moving["reasons"]) == ("ready", [])
    assert moving["last_claim_age"] < STALLED_AFTER / 2
    tree.queue.pause("default")
    first = until(lambda: old(client, "last_claim_age", 1.5), "a claim that is older")
    assert first["status"] == "ready"
    stalled = until(lambda: old(client, "last_claim_age", STALLED_AFTER), "one that is older still")
    assert (stalled["status"], stalled["busy"]) == ("not ready", 0)
    assert "is its queue paused" in stalled["reasons"][0]
    tree.queue.resume("default")
    until(lambda: ready(client)["status"] == "ready", "that it is ready")
    assert ready(client)["last_claim_age"] < STALLED_AFTER / 2


def test_a_deep_queue_behind_workers_that_all_hang_is_stalled(
    make_tree: MakeTree, watch: Watch, tmp_path: Path
) -> None:
    tree = make_tree(workers=1)
    hung = tasks.sleep.on(tree.queue).delay(600, str(tmp_path / "pid"))
    written(tmp_path / "pid")
    tree.queue.submit_many(tasks.noop, [()] * DEEP)
    client = watch(tree)
    stalled = until(lambda: found if (found := ready(client))["reasons"] else None, "that it is not ready", 30.0)
    assert "do all workers hang" in stalled["reasons"][0]
    assert (stalled["busy"], stalled["last_claim_age"] > STALLED_AFTER) == (1, True)
    hung.cancel()


@pytest.mark.parametrize("durability", ["normal", "off"])
def test_a_restart_of_the_broker_forgets_the_last_claim_only_where_there_is_no_journal(
    make_tree: MakeTree, watch: Watch, durability: str
) -> None:
    tree = make_tree(workers=1, durability=durability)
    client = watch(tree)
    assert ready(client)["last_claim_age"] is None
    ended(tree.queue, tasks.noop.on(tree.queue).delay().id)
    before = until(lambda: old(client, "last_claim_age", 2.5), "a claim that is written down")["last_claim_age"]
    os.kill(tree.pid_of("broker"), signal.SIGKILL)
    until(lambda: client.get("/api/overview")["restarts"]["broker"] == 1, "another broker's figures", 30.0)
    after = until(lambda: found if (found := ready(client))["live"] else None, "that it answers")["last_claim_age"]
    assert (after is None) if durability == "off" else (after > before)
