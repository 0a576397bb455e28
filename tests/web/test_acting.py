"""Each action of the API, by its effect on a real tree; and that each is written down."""

from __future__ import annotations

from pathlib import Path

from supervisor import TaskConfig
from tests.support import tasks
from tests.support.dashboards import Client
from tests.support.shared import ended, written
from tests.support.tree import RunningTree
from tests.support.waiting import until


def failed(tree: RunningTree, message: str = "as asked", name: str = "doomed") -> str:
    task_id = tree.queue.submit(tasks.fail, message, config=TaskConfig(name=name))
    ended(tree.queue, task_id)
    return task_id


def held(tree: RunningTree, queue: str, count: int, name: str = "held") -> list[str]:
    """Tasks that wait in a queue that is paused."""
    tree.queue.pause(queue)
    return [tree.queue.submit(tasks.noop, config=TaskConfig(queue=queue, name=name)) for _ in range(count)]


def test_a_registered_task_is_submitted_by_its_name(operator: Client, shared_tree: RunningTree) -> None:
    body = {"name": "tests.support.tasks.add", "args": {"left": 20, "right": 22}, "priority": 5}
    task_id = operator.act("/api/tasks", body, 201)["id"]
    assert ended(shared_tree.queue, task_id).result == 42
    answer = operator.try_to("/api/tasks", {"name": "tests.support.tasks.ad"})
    assert answer.status_code == 404
    assert "did you mean" in answer.json()["detail"]


def test_a_running_task_is_cancelled_and_one_that_ended_is_not(
    operator: Client, shared_tree: RunningTree, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    task_id = tasks.sleep.on(shared_tree.queue).delay(600, str(started)).id
    written(started)
    assert operator.act(f"/api/tasks/{task_id}/cancel") == {"live": True, "id": task_id, "done": True}
    assert ended(shared_tree.queue, task_id).state == "cancelled"
    assert operator.act(f"/api/tasks/{task_id}/cancel")["done"] is False


def test_the_task_of_a_worker_is_killed_by_its_pid(operator: Client, shared_tree: RunningTree, tmp_path: Path) -> None:
    path = tmp_path / "pid"
    task_id = tasks.sleep.on(shared_tree.queue).delay(600, str(path)).id
    pid = int(written(path))
    assert operator.act(f"/api/workers/{pid}/cancel")["id"] == task_id
    assert ended(shared_tree.queue, task_id).state == "cancelled"
    until(
        lambda: not any(each["tasks"] for each in operator.get("/api/workers")["workers"] if each["pid"] == pid), "rest"
    )


def test_a_failed_task_is_taken_up_again(operator: Client, shared_tree: RunningTree) -> None:
    task_id = failed(shared_tree)
    assert operator.act(f"/api/tasks/{task_id}/retry")["done"] is True
    record = ended(shared_tree.queue, task_id)
    assert (record.state, record.retried) == ("failed", 1)
    assert operator.act(f"/api/dead/{task_id}/retry")["done"] is True
    until(lambda: ended(shared_tree.queue, task_id).retried == 2, "the second time")


def test_a_dead_letter_is_dropped_with_all_that_is_known_of_it(operator: Client, shared_tree: RunningTree) -> None:
    task_id = failed(shared_tree)
    assert operator.act(f"/api/dead/{task_id}/drop")["done"] is True
    assert shared_tree.queue.get_task(task_id) is None
    assert operator.try_to(f"/api/dead/{task_id}/drop").status_code == 404


def test_dead_letters_of_a_name_are_retried_and_dropped_together(operator: Client, shared_tree: RunningTree) -> None:
    ids = [failed(shared_tree, name="together.one") for _ in range(3)]
    assert operator.act("/api/dead/retry", {"name": "together.*"}) == {"live": True, "count": 3}
    for task_id in ids:
        until(lambda task_id=task_id: ended(shared_tree.queue, task_id).retried == 1, "its retry")  # type: ignore[misc]
    assert operator.act("/api/dead/drop", {"name": "together.*", "since": -600})["count"] == 3
    assert [shared_tree.queue.get_task(task_id) for task_id in ids] == [None, None, None]


def test_all_that_match_a_filter_are_cancelled_some_at_a_time(operator: Client, shared_tree: RunningTree) -> None:
    ids = held(shared_tree, "bulk", 50)
    others = held(shared_tree, "others", 2)
    body = {"filter": {"queue": "bulk"}, "limit": 40}
    first = operator.act("/api/tasks/cancel", body)
    assert (first["matched"], first["done"], first["refused"]) == (40, 40, [])
    second = operator.act("/api/tasks/cancel", {**body, "cursor": first["cursor"]})
    assert (second["done"], second["cursor"]) == (10, None)
    assert {shared_tree.queue.state(task_id) for task_id in ids} == {"cancelled"}
    assert {shared_tree.queue.state(task_id) for task_id in others} == {"queued"}


def test_all_that_match_a_filter_are_taken_up_again(operator: Client, shared_tree: RunningTree) -> None:
    ids = [failed(shared_tree, name="many.fail") for _ in range(4)]
    told = operator.act("/api/tasks/retry", {"filter": {"name": "many.*", "state": ["failed"]}})
    assert (told["matched"], told["done"], told["cursor"]) == (4, 4, None)
    for task_id in ids:
        until(lambda task_id=task_id: ended(shared_tree.queue, task_id).retried == 1, "its retry")  # type: ignore[misc]


def test_an_empty_filter_is_refused(operator: Client) -> None:
    answer = operator.try_to("/api/tasks/cancel", {"filter": {}})
    assert answer.status_code == 400
    assert "every task" in answer.json()["detail"]


def test_what_waits_in_a_queue_is_cleared(operator: Client, shared_tree: RunningTree) -> None:
    ids = held(shared_tree, "cleared", 5)
    assert operator.act("/api/tasks/clear", {"queue": "cleared"})["count"] == 5
    assert {shared_tree.queue.state(task_id) for task_id in ids} == {"cancelled"}


def test_a_queue_is_paused_and_resumed(operator: Client, shared_tree: RunningTree) -> None:
    assert operator.act("/api/queues/a queue/pause") == {"live": True, "name": "a queue", "paused": True}
    task_id = shared_tree.queue.submit(tasks.noop, config=TaskConfig(queue="a queue"))
    (row,) = [each for each in operator.get("/api/queues")["queues"] if each["name"] == "a queue"]
    assert row["paused"] is True
    assert shared_tree.queue.state(task_id) == "queued"
    operator.act("/api/queues/a queue/resume")
    assert ended(shared_tree.queue, task_id).state == "succeeded"


def test_a_schedule_is_paused_resumed_and_run_now(operator: Client, shared_tree: RunningTree) -> None:
    assert operator.act("/api/schedules/new/year/pause")["paused"] is True
    assert shared_tree.queue.schedules()[0].paused is True
    assert operator.act("/api/schedules/new/year/resume")["paused"] is False
    assert shared_tree.queue.schedules()[0].paused is False
    task_id = operator.act("/api/schedules/new/year/run")["id"]
    assert ended(shared_tree.queue, task_id).result == 2001
    answer = operator.try_to("/api/schedules/new/yeer/run")
    assert (answer.status_code, "did you mean 'new/year'" in answer.json()["detail"]) == (404, True)


def test_a_worker_tells_where_it_is_and_is_replaced(operator: Client, shared_tree: RunningTree, tmp_path: Path) -> None:
    path = tmp_path / "pid"
    handle = tasks.sleep.on(shared_tree.queue).delay(600, str(path))
    pid = int(written(path))
    assert "in sleep" in operator.act(f"/api/workers/{pid}/stack")["stack"]
    assert operator.act(f"/api/workers/{pid}/recycle")["pids"] == [pid]
    handle.cancel()
    until(lambda: pid not in shared_tree.worker_pids(), "the end of the worker", 20.0)
    shared_tree.wait_ready()
    assert operator.try_to("/api/workers/1/recycle").status_code == 404
    assert operator.try_to(f"/api/workers/{10**30}/stack").status_code == 404


def test_the_journal_is_looked_at(operator: Client) -> None:
    (finding,) = operator.act("/api/system/doctor")["findings"]
    assert (finding["verdict"], finding["subject"]) == ("ok", "journal")


def test_every_action_is_written_down_with_who_and_what_came_of_it(
    operator: Client, viewer: Client, shared_tree: RunningTree
) -> None:
    task_id = failed(shared_tree)
    operator.act(f"/api/tasks/{task_id}/retry")
    viewer.try_to(f"/api/tasks/{task_id}/cancel")
    refused, done = operator.get("/api/audit", limit=2)["entries"]
    assert (done["user"], done["role"], done["address"], done["outcome"]) == ("tester", "operator", "127.0.0.1", "done")
    assert (done["action"], done["target"], done["status"]) == ("POST api/tasks/{id}/retry", task_id, 200)
    assert (refused["role"], refused["outcome"], refused["status"]) == ("viewer", "refused", 403)
    assert "for operators" in refused["detail"]
    (audit,) = shared_tree.dir.glob("web-audit.jsonl")
    assert audit.stat().st_mode & 0o777 == 0o600
