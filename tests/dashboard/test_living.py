"""Pages that live: they change without being loaded again, and say when they are old."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from supervisor import ScheduleRecord
from tests.dashboard.given import done, failed, held
from tests.dashboard.page import Page
from tests.support import tasks
from tests.support.browser import Browser
from tests.support.dashboards import OPERATOR, PASSWORDS, Dashboard
from tests.support.tree import RunningTree
from tests.support.waiting import until

MARK = "window.unchanged = true"


def test_the_overview_and_the_list_of_tasks_change_without_being_loaded_again(page: Page, tree: RunningTree) -> None:
    page.go()
    page.js(MARK)
    held(tree, "living", 4, "living.one")
    page.see("table[aria-label='Latency by queue'] tr[data-key=living]", "4")
    page.click("nav a", "Tasks")
    page.see("td a", "living.one")
    done(tree, "living.two")
    page.see("td a", "living.two")
    assert page.js("return window.unchanged") is True


def test_focus_and_selection_outlive_an_update(page: Page, tree: RunningTree) -> None:
    first = done(tree, "kept.focus")
    page.go("tasks?name=kept.*")
    link = page.see(f"tr[data-key='{first}'] .task-link")
    page.js("arguments[0].focus(); getSelection().selectAllChildren(arguments[0])", link)
    second = done(tree, "kept.other")
    page.see(f"tr[data-key='{second}']")
    assert page.js("return document.activeElement === arguments[0]", link)
    assert page.js("return String(getSelection())") == "kept.focus"


def test_live_updates_can_be_paused_and_the_page_says_so(page: Page, tree: RunningTree) -> None:
    page.go()
    page.press("p")
    page.see(".banner", "Live updates are paused")
    page.see(".banner time", "ago")
    page.until(lambda: page.js("return document.documentElement.dataset.fresh") == "old", "dimmed figures")
    page.press("p")
    page.gone(".banner")
    page.see(".live-switch.m-live")


def test_a_supervisor_that_is_gone_is_said_to_be_and_comes_back(
    browser: Browser, own_tree: tuple[RunningTree, Dashboard]
) -> None:
    tree, served = own_tree
    assert tree.process is not None
    task_id = failed(tree, "before.the.end")
    page = own_page(browser, served)
    page.go()
    tree.remember()
    for pid in (tree.process.pid, tree.pid_of("guardian"), tree.pid_of("master"), tree.pid_of("broker")):
        os.kill(pid, signal.SIGKILL)
    tree.process.wait(10.0)
    page.see(".banner", "The supervisor does not answer")
    page.see(".banner time", "ago")
    page.until(lambda: page.js("return document.documentElement.dataset.fresh") == "old", "dimmed figures")
    assert float(page.js("return getComputedStyle(document.querySelector('main .live')).opacity")) < 1
    page.click("nav a", "Dead letters")
    page.see("td a", "before.the.end")
    button = page.see("td button[aria-label^=Retry]")
    assert button.get_attribute("aria-disabled") == "true"
    assert "does not answer" in button.get_attribute("title")
    page.browser.open(f"{page.url}/tasks/{task_id}")
    page.see(".notice", "the supervisor does not answer")
    page.browser.open(f"{page.url}/")
    page.see(".banner", "There are no live figures")
    tree.start()
    page.gone(".banner", timeout=20.0)
    page.see(".tile")


def test_a_web_server_that_is_gone_is_said_to_be_and_comes_back(page: Page, tree: RunningTree, tmp_path: Path) -> None:
    page.expect("ERR_CONNECTION", "ERR_INCOMPLETE", "ERR_EMPTY", "503", "Failed to load")
    served = Dashboard(tmp_path, tree.dir, PASSWORDS).start()
    other = own_page(page.browser, served)
    try:
        other.go("queues")
        os.kill(served.pid, signal.SIGKILL)
        page.see(".banner", "the web server does not answer", 20.0)
        served.stop()
        served.start()
        page.gone(".banner", timeout=20.0)
    finally:
        served.stop()


def test_slots_that_nobody_was_there_for_are_shown_after_a_restart(
    browser: Browser, own_tree: tuple[RunningTree, Dashboard]
) -> None:
    tree, served = own_tree
    tree.queue.add_schedule(tasks.add, [1, 2], name="quick", every=0.2, start=0)
    tree.queue.add_schedule(tasks.add, [1, 2], name="yearly", cron="0 3 1 1 *")
    until(lambda: quick(tree).last_at, "a firing", 20.0)
    tree.stop()
    down = time.time()
    until(lambda: time.time() > down + 1.5, "slots to go by", 20.0)
    tree.start()
    until(lambda: quick(tree).missed, "the count", 20.0)
    tree.queue.pause_schedule("quick")
    page = own_page(browser, served)
    page.go("schedules")
    cell = page.see("tr[data-key=quick] td[data-label=Missed]", "no supervisor ran")
    assert cell.text.startswith(f"{quick(tree).missed}\n"), cell.text
    assert " ago · " in cell.text
    assert page.see("tr[data-key=yearly] td[data-label=Missed]").text == "none"


def quick(tree: RunningTree) -> ScheduleRecord:
    return next(each for each in tree.queue.schedules() if each.name == "quick")


def own_page(browser: Browser, served: Dashboard) -> Page:
    browser.fresh(served.url)
    page = Page(browser, served.url)
    page.sign_in(OPERATOR)
    return page


def test_a_stream_that_stays_silent_is_noticed(page: Page, dashboard: Dashboard) -> None:
    page.go()
    os.kill(dashboard.pid, signal.SIGSTOP)
    try:
        page.see(".banner", "Not connected", 20.0)
    finally:
        os.kill(dashboard.pid, signal.SIGCONT)
    page.gone(".banner", timeout=20.0)
    page.expect("Failed to load", "ERR_")
