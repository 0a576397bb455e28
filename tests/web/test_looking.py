"""Each GET of the API, beside a real tree and over real HTTP."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from supervisor import TaskConfig
from supervisor.directory import Directory
from tests.support import bad_tasks, seen_tasks, talking_tasks, tasks
from tests.support.dashboards import Client, Dashboard
from tests.support.shared import ended
from tests.support.tree import RunningTree
from tests.support.waiting import until

STATIC_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'"


def succeeded(tree: RunningTree, left: int = 3, right: int = 4) -> str:
    task_id = tasks.add.on(tree.queue).delay(left, right).id
    ended(tree.queue, task_id)
    return task_id


def test_a_task_that_succeeded_tells_its_result_its_arguments_and_what_befell_it(
    operator: Client, shared_tree: RunningTree
) -> None:
    task_id = succeeded(shared_tree)
    told = operator.get(f"/api/tasks/{task_id}")
    assert told["live"] is True
    assert (told["task"]["id"], told["task"]["state"], told["task"]["attempt"]) == (task_id, "succeeded", 1)
    assert told["result"] == {"present": True, "expired": False, "value": 7, "text": "", "note": ""}
    assert told["arguments"] == {"left": 3, "right": 4}
    assert [each["event"] for each in told["timeline"]] == ["submitted", "started", "attempt_ended", "ended"]
    assert [attempt["cause"] for attempt in told["attempts"]] == [None]


def test_a_task_is_found_by_the_beginning_and_the_end_of_its_id(operator: Client, shared_tree: RunningTree) -> None:
    succeeded(shared_tree)
    task_id = succeeded(shared_tree)
    for part in (task_id[-12:], task_id[:30]):
        assert operator.get(f"/api/tasks/{part}")["task"]["id"] == task_id
    assert operator.try_to(f"/api/tasks/{task_id[-12:]}/cancel").status_code == 404, "actions want all of it"
    assert "several ids begin" in operator.http.get(f"/api/tasks/{task_id[:4]}").json()["detail"]


def test_a_task_that_failed_tells_why_and_is_a_dead_letter(operator: Client, shared_tree: RunningTree) -> None:
    task_id = tasks.fail.on(shared_tree.queue).delay("no such address").id
    ended(shared_tree.queue, task_id)
    told = operator.get(f"/api/dead/{task_id}")
    assert told["task"]["error"]["type"] == "ValueError"
    assert "no such address" in told["task"]["error"]["traceback"]
    assert told["result"]["present"] is False
    (letter,) = [
        each for each in operator.get("/api/dead", name="tests.support.tasks.f*")["tasks"] if each["id"] == task_id
    ]
    assert (letter["cause"], letter["error_message"], letter["attempts"]) == ("exception", "no such address", 1)


def test_what_is_no_dead_letter_is_not_found_among_them(operator: Client, shared_tree: RunningTree) -> None:
    answer = operator.http.get(f"/api/dead/{succeeded(shared_tree)}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert "it is no dead letter" in answer.json()["detail"]


def test_lists_are_filtered_and_go_on_with_a_cursor(operator: Client, shared_tree: RunningTree) -> None:
    config = TaskConfig(queue="letters", name="shop.mail")
    ids = [shared_tree.queue.submit(tasks.add, number, 0, config=config) for number in range(7)]
    for task_id in ids:
        ended(shared_tree.queue, task_id)
    found, cursor = [], None
    while True:
        page = operator.get("/api/tasks", queue="letters", name="shop.*", limit=3, cursor=cursor)
        found += [each["id"] for each in page["tasks"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert found == ids[::-1]
    assert operator.get("/api/tasks", queue="letters", state=["failed", "lost"])["tasks"] == []
    assert len(operator.get("/api/tasks", queue="letters", state=["failed", "succeeded"])["tasks"]) == 7
    assert len(operator.get("/api/tasks", queue="letters", since=-3600)["tasks"]) == 7
    assert operator.get("/api/tasks", queue="letters", until=time.time() - 3600)["tasks"] == []
    assert [each["id"] for each in operator.get("/api/tasks", search=ids[2][-12:])["tasks"]] == [ids[2]]


def test_a_search_finds_what_failed_by_its_message(operator: Client, shared_tree: RunningTree) -> None:
    task_id = tasks.fail.on(shared_tree.queue).delay("the Needle in it").id
    ended(shared_tree.queue, task_id)
    assert [each["id"] for each in operator.get("/api/tasks", search="needle")["tasks"]] == [task_id]


def test_parents_and_children_are_told_in_both_directions(operator: Client, shared_tree: RunningTree) -> None:
    queue = shared_tree.queue
    first = tasks.add.on(queue).delay(1, 1).id
    second = queue.submit(tasks.add, 2, 2, config=TaskConfig(parent=[first]))
    third = queue.submit(tasks.add, 3, 3, config=TaskConfig(parent=[first, second]))
    ended(queue, third)
    told = operator.get(f"/api/tasks/{second}/graph")
    assert {each["id"] for each in told["nodes"]} == {first, second, third}
    assert {(each["parent"], each["child"]) for each in told["edges"]} == {
        (first, second),
        (first, third),
        (second, third),
    }
    assert {each["id"] for each in operator.get("/api/tasks", parent=first)["tasks"]} == {second, third}
    assert set(operator.get(f"/api/tasks/{third}")["task"]["parents"]) == {first, second}


def test_what_a_task_said_is_told_by_line_and_attempt(operator: Client, shared_tree: RunningTree) -> None:
    task_id = talking_tasks.count_lines.on(shared_tree.queue).delay(5).id
    ended(shared_tree.queue, task_id)
    told = operator.get(f"/api/tasks/{task_id}/logs")
    assert told["ended"] is True
    assert [line["number"] for line in told["lines"]] == [0, 1, 2, 3, 4]
    assert operator.get(f"/api/tasks/{task_id}/logs", attempt=2)["lines"] == []


def test_progress_is_told(operator: Client, shared_tree: RunningTree) -> None:
    task_id = seen_tasks.count.on(shared_tree.queue).delay(4).id
    ended(shared_tree.queue, task_id)
    told = operator.get(f"/api/tasks/{task_id}/progress")
    assert (told["percent"], told["done"], told["total"], told["state"]) == (100.0, 4.0, 4.0, "succeeded")


def test_the_overview_counts_what_runs_and_waits_by_queue_and_by_type(
    operator: Client, shared_tree: RunningTree, tmp_path: Path
) -> None:
    shared_tree.queue.pause("held")
    config = TaskConfig(queue="held", name="held.task")
    for _ in range(4):
        shared_tree.queue.submit(tasks.noop, config=config)

    def told() -> dict[str, object] | None:
        found: dict[str, object] = operator.get("/api/stats", task_type="held.*")
        return found if found["pending"] == 4 else None

    found = until(told, "the figures of what waits")
    assert found["task_types"]["held.task"]["depth"] == 4  # type: ignore[index]
    assert operator.get("/api/stats", queue="held")["queues"]["held"]["pending"] == 4
    overview = operator.get("/api/overview")
    (held,) = [each for each in overview["queues"] if each["name"] == "held"]
    assert (held["paused"], held["figures"]["depth"]) == (True, 4)
    assert overview["workers"]["total"] == 3
    assert overview["processes"]["count"] >= 6
    assert [each for each in operator.get("/api/queues")["queues"] if each["name"] == "held"][0]["ready"] == 4  # noqa: RUF015


def test_workers_tell_what_they_run_and_history_why_others_died(
    operator: Client, shared_tree: RunningTree, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    running = tasks.wait_for_file.on(shared_tree.queue).options(timeout=50, soft_timeout=40).delay(str(gate))

    def holder() -> dict[str, Any] | None:
        workers = operator.get("/api/workers")["workers"]
        found: list[dict[str, Any]] = [each for each in workers for task in each["tasks"] if task["id"] == running.id]
        return found[0] if found else None

    worker = until(holder, "the worker that runs it")
    assert worker["state"] == "busy"
    assert [(task["limit"], task["soft_limit"]) for task in worker["tasks"]] == [(50.0, 40.0)]
    record = operator.get(f"/api/tasks/{running.id}")["task"]
    assert (record["timeout"], record["soft_timeout"]) == (50.0, 40.0)
    gate.touch()
    running.result(timeout=10)
    dead = bad_tasks.die.on(shared_tree.queue).options(crash_budget=1).delay(str(tmp_path / "noted"), "SIGKILL").id
    ended(shared_tree.queue, dead)
    history = operator.get("/api/workers/history")
    (death,) = [each for each in history["deaths"] if each["task_id"] == dead]
    assert (death["cause"], history["counts"]["signal"] >= 1) == ("signal", True)


def test_schedules_system_findings_changes_and_audit_are_told(operator: Client, shared_tree: RunningTree) -> None:
    (new_year,) = operator.get("/api/schedules")["schedules"]
    assert (new_year["name"], new_year["zone"], new_year["paused"]) == ("new/year", "Europe/Berlin", False)
    assert (new_year["missed"], new_year["missed_at_least"]) == (0, False)
    assert (new_year["last_missed_at"], new_year["last_missed_cause"]) == (None, None)
    system = operator.get("/api/system")
    assert system["journal"]["bytes"] > 0
    assert {each["role"] for each in system["processes"]} == {"owner", "guardian", "master", "broker", "template"}
    settings = {each["name"]: each for each in system["settings"]}
    assert (settings["workers"]["value"], settings["workers"]["changeable"]) == (3, True)
    assert {each["name"]: each["value"] for each in system["web"]}["password"] == "<hidden>"
    assert {each["verdict"] for each in operator.get("/api/system/findings")["findings"]} <= {"ok", "warning"}
    shared_tree.queue.pause("changed")
    changes = operator.get("/api/system/changes", limit=1)["changes"]
    assert [(each["what"], each["after"]) for each in changes] == [("queue:changed paused", True)]
    assert operator.get("/api/audit")["live"] is True


def test_nothing_secret_is_in_what_the_system_tells(
    operator: Client, guarded: Dashboard, shared_tree: RunningTree
) -> None:
    text = operator.http.get("/api/system").text
    assert "open sesame" not in text
    assert Directory(shared_tree.dir).read_key().hex() not in text


def test_health_says_whether_tasks_get_done(operator: Client, guarded: Dashboard, shared_tree: RunningTree) -> None:
    succeeded(shared_tree)
    ready = operator.get("/readyz")
    assert (ready["status"], ready["live"], ready["reasons"], ready["workers"]) == ("ready", True, [], 3)
    assert ready["last_claim_age"] < 60
    with guarded.client() as nobody:
        assert nobody.get("/readyz") == {"status": "ready"}
        assert nobody.get("/livez") == {"status": "ok"}


def test_metrics_are_those_that_prometheus_is_told_elsewhere(operator: Client, shared_tree: RunningTree) -> None:
    succeeded(shared_tree)
    answer = operator.http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    samples = [each for family in text_string_to_metric_families(answer.text) for each in family.samples]
    assert [each.value for each in samples if each.name == "supervisor_up"] == [1.0]
    assert sum(each.value for each in samples if each.name == "supervisor_tasks_total") >= 1


@pytest.mark.parametrize("view", ["", "tasks", "tasks/0192", "queues", "workers", "schedules", "dead", "system"])
def test_each_view_is_the_same_shell_and_nothing_inline_may_run_in_it(operator: Client, view: str) -> None:
    answer = operator.http.get(f"/{view}")
    assert answer.status_code == 200
    assert '<base href="/">' in answer.text
    assert answer.headers["content-security-policy"].startswith(STATIC_POLICY)
    assert answer.headers["x-frame-options"] == "DENY"
