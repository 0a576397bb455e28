"""Each button does what it says, to a real tree."""

from __future__ import annotations

from pathlib import Path

from supervisor import TaskConfig
from tests.dashboard.given import asleep, failed, held
from tests.dashboard.page import Page
from tests.support import tasks
from tests.support.dashboards import Client
from tests.support.shared import ended
from tests.support.tree import RunningTree
from tests.support.waiting import until


def state(tree: RunningTree, task_id: str) -> str:
    found = tree.queue.get_task(task_id)
    return "gone" if found is None else str(found.state)


def test_a_running_task_is_cancelled_from_its_page(page: Page, tree: RunningTree, tmp_path: Path) -> None:
    task_id, _ = asleep(tree, tmp_path / "pid")
    page.go(f"tasks/{task_id}")
    page.click(".view-head button", "Cancel")
    page.confirm()
    page.toast("was cancelled")
    page.see(".view-head .state", "cancelled")
    assert state(tree, task_id) == "cancelled"


def test_a_confirmation_that_is_refused_changes_nothing(page: Page, tree: RunningTree, tmp_path: Path) -> None:
    task_id, _ = asleep(tree, tmp_path / "pid")
    page.go(f"tasks/{task_id}")
    page.click(".view-head button", "Cancel")
    page.click("dialog[open] footer button", "Keep as it is")
    page.gone("dialog")
    assert state(tree, task_id) == "running"
    tree.queue.cancel(task_id)


def test_a_failed_task_is_retried_from_its_page(page: Page, tree: RunningTree) -> None:
    task_id = failed(tree, "acted.retry")
    page.go(f"tasks/{task_id}")
    page.click(".view-head button", "Retry")
    page.toast("taken up again")
    until(lambda: ended(tree.queue, task_id).retried == 1, "its retry")
    page.see(".facts", "Taken up again")


def test_a_waiting_task_is_given_another_priority(page: Page, tree: RunningTree) -> None:
    (task_id,) = held(tree, "priority", 1)
    page.go(f"tasks/{task_id}")
    page.click(".view-head button", "Priority")
    page.js("const field = arguments[0]; field.select()", page.see("dialog input"))
    page.press("70")
    page.confirm()
    page.toast("was changed")
    found = tree.queue.get_task(task_id)
    assert found is not None
    assert found.priority == 70


def test_what_a_worker_runs_is_looked_into_and_killed(page: Page, tree: RunningTree, tmp_path: Path) -> None:
    task_id, pid = asleep(tree, tmp_path / "pid", "acted.kill")
    page.go("running")
    page.see("tr", "acted.kill")
    page.act(f"Stack of worker {pid}")
    page.see("dialog pre", "sleep")
    page.click("dialog button[aria-label=Close]")
    page.act(f"Kill the task of worker {pid}")
    page.confirm()
    page.toast("was cancelled")
    assert ended(tree.queue, task_id).state == "cancelled"
    page.gone("tr", "acted.kill")


def test_a_queue_is_paused_weighed_resumed_and_cleared(page: Page, tree: RunningTree, operator: Client) -> None:
    tree.queue.resume("acted")

    def now() -> dict[str, object]:
        return next(each for each in operator.get("/api/queues")["queues"] if each["name"] == "acted")

    page.go("queues")
    page.act("Pause queue acted")
    page.toast("is paused")
    page.see("tr[data-key=acted] .state", "paused")
    assert now()["paused"] is True
    ids = [tree.queue.submit(tasks.noop, config=TaskConfig(queue="acted")) for _ in range(3)]
    page.see("tr[data-key=acted] .figure", "3")
    page.act("Weight of queue acted: 1. Change it")
    page.js("arguments[0].select()", page.see("dialog input"))
    page.press("2.5")
    page.confirm()
    page.toast("weight 2.5")
    assert now()["weight"] == 2.5
    page.act("Clear queue acted")
    page.confirm("acted")
    page.toast("3 waiting tasks of acted were cancelled")
    assert {state(tree, each) for each in ids} == {"cancelled"}
    page.act("Resume queue acted")
    page.toast("goes on")
    assert now()["paused"] is False


def test_a_schedule_is_run_paused_and_resumed(page: Page, tree: RunningTree) -> None:
    name = "new/year"
    page.go("schedules")
    page.act(f"Run now: {name}")
    page.toast("was submitted")
    page.click(".toast a", "Show")
    page.see("main h1", "new_year")
    page.see(".view-head .state", "succeeded")
    page.driver.back()
    page.act(f"Pause {name}")
    page.see("td .state", "paused")
    page.act(f"Resume {name}")
    page.gone("td .state", "paused")
    assert not next(each for each in tree.queue.schedules() if each.name == name).paused


def test_a_worker_is_recycled_and_then_all_of_them(page: Page, tree: RunningTree) -> None:
    page.go("workers")
    pid = tree.worker_pids()[0]
    page.act(f"Recycle worker {pid}")
    page.toast("is replaced")
    until(lambda: pid not in tree.worker_pids(), "another worker", 20.0)
    before = set(tree.worker_pids())
    page.click(".view-head button", "Recycle all")
    page.confirm()
    page.toast("workers are replaced")
    until(lambda: not before & set(tree.worker_pids()), "all others", 30.0)
    tree.wait_ready()


def test_dead_letters_are_retried_and_dropped_one_by_one(page: Page, tree: RunningTree) -> None:
    first, second = failed(tree, "dead.single"), failed(tree, "dead.single")
    page.go("dead?name=dead.single")
    page.act(f"Retry dead.single {first[-4:]}")
    page.toast("taken up again")
    until(lambda: ended(tree.queue, first).retried == 1, "its retry")
    page.act(f"Drop dead.single {second[-4:]}")
    page.confirm()
    page.toast("was dropped")
    assert state(tree, second) == "gone"
    page.gone(f"tr[data-key='{second}']")


def test_dead_letters_that_match_are_retried_and_dropped_together(page: Page, tree: RunningTree) -> None:
    ids = [failed(tree, "dead.many") for _ in range(3)]
    other = failed(tree, "dead.other")
    page.go("dead?name=dead.many")
    page.click(".view-head button", "Retry all matching")
    page.confirm("retry")
    page.toast("3 were taken up again")
    for task_id in ids:
        until(lambda task_id=task_id: ended(tree.queue, task_id).retried == 1, "its retry")  # type: ignore[misc]
    page.click(".toast button[aria-label=Dismiss]")
    page.click(".view-head button", "Drop all matching")
    page.confirm("drop")
    page.toast("3 were dropped")
    page.see(".empty", "No dead letters")
    assert [state(tree, each) for each in (*ids, other)] == ["gone", "gone", "gone", "failed"]


def test_tasks_that_match_are_cancelled_together_once_they_are_counted_and_the_word_is_typed(
    page: Page, tree: RunningTree
) -> None:
    ids = held(tree, "bulk", 7, "bulk.one")
    page.go("tasks?queue=bulk&state=queued")
    page.click(".view-head button", "Cancel all matching")
    page.see("dialog .bulk-count", "7 tasks match.")
    assert page.see("dialog button[type=submit]").get_attribute("aria-disabled") == "true"
    page.confirm("cancel")
    page.toast("7 tasks were cancelled")
    assert {state(tree, each) for each in ids} == {"cancelled"}
    page.see(".empty", "No task matches")


def test_tasks_that_match_are_retried_together(page: Page, tree: RunningTree) -> None:
    ids = [failed(tree, "bulk.again") for _ in range(3)]
    page.go("tasks?name=bulk.again")
    page.click(".view-head button", "Retry all matching")
    page.see("dialog .bulk-count", "3 tasks match.")
    page.confirm("retry")
    page.toast("3 tasks were retried")
    for task_id in ids:
        until(lambda task_id=task_id: ended(tree.queue, task_id).retried == 1, "its retry")  # type: ignore[misc]


def test_without_a_filter_nothing_can_be_done_to_all(page: Page) -> None:
    page.go("tasks")
    button = page.see(".view-head button", "Cancel all matching")
    assert button.get_attribute("aria-disabled") == "true"
    page.click(".view-head button", "Cancel all matching")
    page.toast("Choose a filter first")


def test_the_doctor_looks_and_the_audit_log_tells_who_asked_it(page: Page) -> None:
    page.go("system?tab=findings")
    page.see("table[aria-label=Findings]")
    page.click(".panel button", "Run the doctor")
    page.see("table[aria-label='Findings of the doctor'] td .state", "ok")
    page.click(".tabs a", "Audit log")
    page.see("table[aria-label='Audit log'] tr", "POST api/system/doctor")


def test_a_refusal_is_told_with_its_reason(page: Page, tree: RunningTree, tmp_path: Path) -> None:
    page.expect("404")
    task_id = failed(tree, "acted.vanished")
    page.go("dead?name=acted.vanished")
    page.see(f"tr[data-key='{task_id}']")
    page.click(".live-switch")
    tree.queue.drop_dead_letter(task_id)
    page.act(f"Drop acted.vanished {task_id[-4:]}")
    page.confirm()
    page.see(".toast.bad")
