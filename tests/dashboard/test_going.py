"""Going about: URLs, back and forward, the keyboard, signing in, who may only look."""

from __future__ import annotations

from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from tests.dashboard.given import done, failed, held
from tests.dashboard.page import Page
from tests.support.dashboards import OPERATOR
from tests.support.shared import ended
from tests.support.tree import RunningTree
from tests.support.waiting import until


def test_filters_are_the_url_and_back_and_forward_go_through_them(page: Page, tree: RunningTree) -> None:
    failed(tree, "gone.failed")
    done(tree, "gone.done", queue="elsewhere")
    page.go("tasks?name=gone.*")
    page.see("td a", "gone.done")
    page.click(".chips a", "failed")
    page.gone("td a", "gone.done")
    assert page.path.endswith("/tasks?name=gone.*&state=failed")
    page.click(".chips a", "succeeded")
    page.see("td a", "gone.done")
    page.driver.back()
    page.gone("td a", "gone.done")
    page.driver.back()
    page.see("td a", "gone.done")
    assert page.path.endswith("/tasks?name=gone.*")
    page.driver.forward()
    page.gone("td a", "gone.done")
    page.driver.refresh()
    page.see("td a", "gone.failed")
    assert page.see(".chips a[aria-current]").text.startswith("failed")
    page.click(".clear")
    page.until(lambda: page.path.endswith("/tasks"), "no filters")


def test_queue_time_and_name_filter_and_a_search_finds_an_error(page: Page, tree: RunningTree) -> None:
    done(tree, "fields.one", queue="fields")
    failed(tree, "fields.two", "a purple elephant")
    page.go("tasks")
    page.until(lambda: "fields" in page.see("select[name=queue]").text, "the queue among the choices")
    Select(page.see("select[name=queue]")).select_by_visible_text("fields")
    page.until(lambda: "queue=fields" in page.path, "the queue in the URL")
    page.gone("td a", "fields.two")
    page.click(".clear")
    Select(page.see("select[name=since]")).select_by_visible_text("the last hour")
    page.until(lambda: "since=-3600" in page.path, "the time in the URL")
    page.see("input[name=name]").send_keys("fields.*", Keys.ENTER)
    page.until(lambda: "name=fields.*" in page.path, "the name in the URL")
    page.see("#search").send_keys("purple", Keys.ENTER)
    page.until(lambda: "search=purple" in page.path, "the search in the URL")
    page.gone("td a", "fields.one")
    page.see("td a", "fields.two")
    page.click(".chosen .chip", "purple")
    page.see("td a", "fields.one")


def test_a_long_list_is_paged_and_tells_how_far_it_searched(page: Page, tree: RunningTree) -> None:
    held(tree, "paged", 60, "paged.one")
    page.go("tasks?queue=paged")
    page.until(lambda: len(page.driver.find_elements("css selector", "tbody tr")) == 50, "a page")
    page.see(".pager", "Searched until")
    page.click("#older")
    page.see(".pager", "That is the end")
    page.until(lambda: len(page.driver.find_elements("css selector", "tbody tr")) == 10, "the rest")
    assert "cursor=" in page.path
    page.driver.back()
    page.until(lambda: len(page.driver.find_elements("css selector", "tbody tr")) == 50, "the first page")


def test_a_task_is_found_opened_and_retried_by_the_keyboard_alone(page: Page, tree: RunningTree) -> None:
    task_id = failed(tree, "by.keyboard")
    page.go()
    page.press("g", "d")
    page.see("main h1", "Dead letters")
    page.press("/")
    page.press("by.keyboard", Keys.ENTER)
    page.see("td a", "by.keyboard")
    page.press(Keys.ESCAPE)
    page.press("j")
    assert page.js("return document.activeElement.matches('.task-link:focus-visible')")
    assert page.js("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.press(Keys.ENTER)
    page.see("main h1", "by.keyboard")
    page.until(lambda: page.js("return document.activeElement.id") == "view-title", "the focus at the heading")
    page.tab_to(".view-head .actions button")
    page.press(Keys.ENTER)
    page.toast("taken up again")
    until(lambda: ended(tree.queue, task_id).retried == 1, "its retry")


def test_a_dialog_keeps_the_focus_and_gives_it_back(page: Page) -> None:
    page.go("queues")
    page.tab_to(".view-head button")
    page.press(Keys.ENTER)
    page.see("dialog[open]")
    for _ in range(8):
        page.press(Keys.TAB)
        assert page.js("return document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.press(Keys.ESCAPE)
    page.gone("dialog")
    assert page.js("return document.activeElement.matches('.view-head button')")


def test_the_skip_link_leads_past_the_navigation(page: Page) -> None:
    page.go("workers")
    page.js("document.activeElement.blur()")
    page.press(Keys.TAB)
    page.see(".skip:focus")
    page.press(Keys.ENTER)
    assert page.js("return document.activeElement.id") == "view"
    assert page.path.endswith("/workers")


def test_shortcuts_are_listed_and_can_be_turned_off(page: Page) -> None:
    page.go()
    page.press("?")
    page.see("dialog .keys", "Search tasks")
    page.click("dialog input[type=checkbox]")
    page.press(Keys.ESCAPE)
    page.gone("dialog")
    page.press("g", "t")
    page.press("?")
    assert not page.driver.find_elements("css selector", "dialog")
    assert page.js("return location.pathname.endsWith('/')")


def test_the_theme_follows_the_system_until_one_is_chosen_which_is_remembered(page: Page) -> None:
    dark = "return getComputedStyle(document.body).backgroundColor"
    page.go()
    light = page.js(dark)
    page.scheme("dark")
    assert page.js(dark) != light
    page.click("button[aria-label^=Theme]")
    page.until(lambda: page.js(dark) == light, "the light theme, which was chosen")
    page.driver.refresh()
    page.see(".tile")
    assert page.js(dark) == light


def test_signing_in_leads_to_where_one_wanted_to_go(stranger: Page) -> None:
    stranger.expect("401")
    stranger.browser.open(f"{stranger.url}/sign-in?next={'queues'}", "#password")
    stranger.see("#password").send_keys("wrong", Keys.ENTER)
    stranger.see(".said", "password")
    stranger.see("#password").send_keys(OPERATOR, Keys.ENTER)
    stranger.see("main h1", "Queues")
    stranger.click("button[aria-label='Sign out']")
    stranger.see("main h1", "Sign in")
    stranger.browser.open(f"{stranger.url}/tasks", "#password")


def test_signing_in_leads_nowhere_else(stranger: Page) -> None:
    stranger.browser.open(f"{stranger.url}/sign-in?next=//example.com/", "#password")
    stranger.see("#password").send_keys(OPERATOR, Keys.ENTER)
    stranger.see("main h1", "Overview")
    assert stranger.js("return location.origin") == stranger.url


def test_a_session_that_ended_leads_to_sign_in(page: Page) -> None:
    page.expect("401")
    page.go("tasks")
    page.driver.delete_all_cookies()
    page.click("nav a", "Schedules")
    page.see("#password")
    assert "next=schedules" in page.path


def test_one_who_may_only_look_is_told_why_the_buttons_do_nothing(viewer: Page, tree: RunningTree) -> None:
    task_id = failed(tree, "looked.at")
    viewer.go(f"tasks/{task_id}")
    button = viewer.see(".view-head button", "Retry")
    assert button.get_attribute("aria-disabled") == "true"
    assert "role operator" in button.get_attribute("title")
    viewer.click(".view-head button", "Retry")
    viewer.toast("You may look only")
    assert ended(tree.queue, task_id).retried == 0
    viewer.see(".who", "viewer")
