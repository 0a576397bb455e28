"""A real Chromium and a real tree, one of each per test process, for all tests of the dashboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboard.page import Page
from tests.support.browser import CHROMIUM, DRIVER, Browser
from tests.support.dashboards import OPERATOR, PASSWORDS, VIEWER, Client, Dashboard
from tests.support.shared import MODULES, running
from tests.support.tree import RunningTree

_MODULES = [
    *MODULES,
    "tests.support.seen_tasks",
    "tests.support.talking_tasks",
    "tests.support.together_tasks",
    "tests.support.web_schedules",
]


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dashboard")


@pytest.fixture(scope="session")
def browser(place: Path) -> Iterator[Browser]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("needs Debian's chromium and chromium-driver: scripts/debian-install chromium chromium-driver")
    found = Browser(place)
    try:
        yield found
    finally:
        found.close()


@pytest.fixture(scope="session")
def tree(place: Path) -> Iterator[RunningTree]:
    with running(place, tasks=_MODULES, workers=3, durability="normal", max_retries=0) as found:
        yield found


@pytest.fixture(scope="session")
def dashboard(place: Path, tree: RunningTree) -> Iterator[Dashboard]:
    found = Dashboard(place, tree.dir, PASSWORDS).start()
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="session")
def operator(dashboard: Dashboard) -> Iterator[Client]:
    with dashboard.client(OPERATOR) as client:
        yield client


@pytest.fixture
def stranger(browser: Browser, dashboard: Dashboard) -> Iterator[Page]:
    """A page of somebody who has not signed in; at its end nothing may have been complained of."""
    browser.fresh(dashboard.url)
    page = Page(browser, dashboard.url)
    try:
        yield page
        page.check()
    finally:
        page.leave()


@pytest.fixture
def page(stranger: Page) -> Page:
    """An operator's."""
    stranger.sign_in(OPERATOR)
    return stranger


@pytest.fixture
def viewer(stranger: Page) -> Page:
    """That of one who may only look."""
    stranger.sign_in(VIEWER)
    return stranger


@pytest.fixture
def own_tree(tmp_path: Path, browser: Browser) -> Iterator[tuple[RunningTree, Dashboard]]:
    """One to be killed."""
    with running(tmp_path, workers=1, durability="normal") as found:
        served = Dashboard(tmp_path, found.dir, PASSWORDS).start()
        try:
            yield found, served
        finally:
            served.stop()
