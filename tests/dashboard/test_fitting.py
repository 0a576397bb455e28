"""Every view on a phone, and for those who need more contrast, a screen reader, or a keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor import TaskConfig
from tests.dashboard.given import asleep, failed, held
from tests.dashboard.page import VIEWS, Page
from tests.support import bad_tasks
from tests.support.browser import PHONE
from tests.support.shared import ended
from tests.support.tree import RunningTree

AXE = (Path(__file__).parent.parent / "vendor" / "axe.min.js").read_text("utf-8")


@pytest.fixture(scope="module")
def furnished(tree: RunningTree, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Something of each kind to be seen; the id of a task that failed. What runs is ended: other tests need workers."""
    asleep_id, _ = asleep(
        tree, tmp_path_factory.mktemp("furnished") / "pid", "a.task.with.a.rather.long.name.that.would.not.fit"
    )
    soft = TaskConfig(name="fitting.past.its.soft.limit", soft_timeout=0.5, timeout=900)
    soft_id = tree.queue.submit(bad_tasks.sleep_through, 600.0, config=soft)
    held(tree, "fitting", 3)
    yield failed(tree, "fitting.failed", "a message without a place to break: " + "x" * 200)
    for task_id in (asleep_id, soft_id):
        tree.queue.cancel(task_id)
        ended(tree.queue, task_id)


def open_view(page: Page, path: str, furnished: str) -> None:
    page.go(f"tasks/{furnished}" if path == "task" else path)


@pytest.mark.parametrize("path", [*VIEWS, "task"])
def test_a_view_fits_a_phone(page: Page, furnished: str, path: str) -> None:
    page.size(*PHONE)
    open_view(page, path, furnished)
    assert not page.is_wider_than_screen
    wide = page.js(
        "return [...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1"
        " && !e.closest('.table-wrap, .graph-wrap, pre, .log, .chips, .tabs, .hidden'))"
        ".map(e => e.outerHTML.slice(0, 120))"
    )
    assert wide == []


def test_on_a_phone_the_navigation_opens_and_closes(page: Page) -> None:
    page.size(*PHONE)
    page.go()
    page.gone("nav a", "Queues")
    page.click("button[aria-label=Navigation]")
    page.click("nav a", "Queues")
    page.see("main h1", "Queues")
    page.gone("nav a", "Workers")


@pytest.mark.parametrize("path", [*VIEWS, "task"])
def test_axe_finds_nothing_serious_on_a_view_in_either_theme(page: Page, furnished: str, path: str) -> None:
    page.scheme("light")
    open_view(page, path, furnished)
    assert page.axe(AXE) == []
    page.scheme("dark")
    assert page.axe(AXE, "color-contrast") == []  # nothing else changes with the theme


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_at_the_door_in_a_dialog_and_on_a_phone(page: Page, scheme: str) -> None:
    page.scheme(scheme)
    page.go("queues")
    page.click(".view-head button", "Clear all that waits")
    page.see("dialog[open]")
    assert page.axe(AXE) == []
    page.size(*PHONE)
    page.go()
    assert page.axe(AXE) == []
    page.browser.fresh(page.url)
    page.browser.open(f"{page.url}/sign-in", "#password")
    assert page.axe(AXE) == []
