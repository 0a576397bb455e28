"""Each view shows what a real tree does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from supervisor import TaskConfig, chain, group
from tests.dashboard.given import asleep, done, failed
from tests.dashboard.page import VIEWS, Page
from tests.support import bad_tasks, seen_tasks, talking_tasks, tasks, together_tasks
from tests.support.shared import ended, written
from tests.support.tree import RunningTree


@pytest.mark.parametrize("path", VIEWS)
def test_a_view_opens_at_its_url_with_its_title_and_without_complaints(
    page: Page, tree: RunningTree, path: str
) -> None:
    done(tree, "opened.once")
    page.go(path, VIEWS[path])
    assert VIEWS[path] in page.driver.title
    assert "[object Object]" not in page.text
    assert "undefined" not in page.text
    assert "NaN" not in page.text


def test_the_overview_tells_latency_by_queue_outcomes_and_what_is_wrong(page: Page, tree: RunningTree) -> None:
    done(tree, "shown.well", queue="latency")
    for _ in range(15):  # those that ran most often are shown, and other tests have theirs
        failed(tree, "shown.badly")
    tree.queue.pause("held-up")
    page.go()
    page.see("table[aria-label='Latency by queue'] tr[data-key=latency]")
    page.see(".alert", "Queue held-up is paused")
    page.see(".shares", "succeeded")
    page.see("table[aria-label='Task types'] a", "shown.badly")
    assert "wait" in page.text.lower()
    tree.queue.resume("held-up")
    page.gone(".alert", "held-up")


def test_what_runs_is_shown_with_its_limit_and_what_it_takes(page: Page, tree: RunningTree, tmp_path: Path) -> None:
    task_id, pid = asleep(tree, tmp_path / "pid", "seen.running")
    page.go("running")
    row = page.see("tr", "seen.running")
    assert str(pid) in row.text
    assert "of 15 min" in row.text
    assert re.search(r"\d MB", row.text)
    tree.queue.cancel(task_id)
    page.gone("tr", "seen.running")


def test_what_runs_past_its_soft_limit_says_so_in_words_and_in_its_bar(page: Page, tree: RunningTree) -> None:
    config = TaskConfig(name="seen.soft", timeout=900, soft_timeout=2)
    early = TaskConfig(name="seen.early", timeout=900, soft_timeout=600)
    handle = tree.queue.submit(bad_tasks.sleep_through, config=config)
    other = tree.queue.submit(bad_tasks.sleep_through, config=early)
    try:
        look_at_limits(page, handle)
    finally:  # they would keep workers from other tests
        for task_id in (handle, other):
            tree.queue.cancel(task_id)
            ended(tree.queue, task_id)


def look_at_limits(page: Page, handle: str) -> None:
    """What is said of both, where all that runs is shown, and of the one that is past its limit on its own page."""
    page.go("running")
    late, in_time = page.see("tr", "past its soft limit of 2.0 s"), page.see("tr", "soft limit 10 min")
    assert ("seen.soft" in late.text, "seen.early" in in_time.text) == (True, True)
    assert "past" not in in_time.text
    found = page.js(
        "return [...document.querySelectorAll('.limits .bar')].map(bar =>"
        " [bar.className, bar.getAttribute('aria-label'), bar.querySelector('i').style.left])"
    )
    bars = {label.partition(", ")[2]: (name, left) for name, label, left in found}
    assert bars["past its soft limit of 2.0 s"][0] == "bar past"
    assert bars["soft limit 10 min"][0] == "bar "
    assert float(bars["soft limit 10 min"][1].rstrip("%")) == pytest.approx(100 * 600 / 900, abs=0.01)
    page.go(f"tasks/{handle}", "seen.soft")
    page.see(".facts .limits", "of 15 min")
    page.see(".facts .limits", "past its soft limit of 2.0 s")


def test_a_task_that_failed_shows_its_traceback_its_attempts_and_its_arguments(page: Page, tree: RunningTree) -> None:
    task_id = failed(tree, "seen.failed", "no such address")
    page.go(f"tasks/{task_id}", "seen.failed")
    page.see(".fault", "no such address")
    page.see("pre[aria-label^=Traceback]", "ValueError: no such address")
    page.see("pre[aria-label=Arguments]", "no such address")
    timeline = page.see(".timeline").text
    assert timeline.index("submitted") < timeline.index("attempt 1") < timeline.index("failed")


def test_a_task_that_succeeded_shows_its_result_and_its_whole_id(page: Page, tree: RunningTree) -> None:
    task_id = done(tree, "seen.result")
    page.go(f"tasks/{task_id}", "seen.result")
    page.see("pre[aria-label=Result]", "42")
    page.see(".task-head code", task_id.replace("-", ""))
    page.click(".task-head button[aria-label='Copy id']")
    page.see(".task-head button[aria-label=Copied]")


def test_what_a_task_says_comes_while_it_runs(page: Page, tree: RunningTree) -> None:
    handle = talking_tasks.count_lines.on(tree.queue).delay(200, 0.03)
    page.go(f"tasks/{handle.id}")
    page.see(".line", "line 1")
    before = len(page.driver.find_elements("css selector", ".line"))
    page.until(lambda: len(page.driver.find_elements("css selector", ".line")) > before, "more lines")
    handle.cancel()
    page.see(".view-head .state", "cancelled")
    page.see(".log-state", "complete")


def test_progress_context_and_the_estimated_end_are_shown_as_the_task_goes_on(
    page: Page, tree: RunningTree, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    handle = seen_tasks.tell_and_die.on(tree.queue).delay(str(tmp_path / "pid"), str(gate))
    written(tmp_path / "pid")
    page.go(f"tasks/{handle.id}")
    page.see(".progress-panel", "30 %")
    page.see(".progress-panel", "three of ten")
    page.see("pre[aria-label=Context]", "copying")
    gate.touch()
    page.see(".view-head .state", "succeeded")
    counting = seen_tasks.count_slowly.on(tree.queue).delay(2000, 0.05)
    page.go(f"tasks/{counting.id}")
    page.see(".progress-panel", "of 2,000")
    page.see(".progress-panel", "left")
    page.see(".progress-panel", "done about")
    counting.cancel()


def test_parents_and_children_are_drawn_as_a_graph_of_links(page: Page, tree: RunningTree) -> None:
    add = together_tasks.add.on(tree.queue)
    last = chain(group(add.step(1, 2), add.step(3, 4)).then(together_tasks.total.on(tree.queue).step())).delay()
    ended(tree.queue, last.id)
    page.go(f"tasks/{last.id}")
    page.see(".node[aria-current=page]")
    assert len(page.driver.find_elements("css selector", ".node")) == 3
    assert len(page.driver.find_elements("css selector", ".graph > svg path")) == 2
    page.click(".node:not([aria-current])")
    page.see("main h1", "together_tasks.add")


def test_workers_that_died_are_listed_with_why(page: Page, tree: RunningTree) -> None:
    config = TaskConfig(name="seen.killed", timeout=0.3)
    ended(tree.queue, tree.queue.submit(tasks.endless_loop, config=config))
    page.go("workers")
    row = page.see("table[aria-label='Workers that died'] tr", "seen.killed")
    assert "timeout" in row.text


def test_a_url_that_is_no_task_says_so(page: Page) -> None:
    page.expect("404")
    page.browser.open(f"{page.url}/tasks/{'0' * 32}")
    page.see(".empty", "There is no such task")
