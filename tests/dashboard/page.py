"""The dashboard in a browser, as one person has it."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support.browser import DESKTOP, Browser

VIEWS = {
    "": "Overview",
    "running": "Now running",
    "queues": "Queues",
    "tasks": "Tasks",
    "dead": "Dead letters",
    "schedules": "Schedules",
    "workers": "Workers",
    "system": "System",
    "system?tab=settings": "System",
    "system?tab=findings": "System",
    "system?tab=changes": "System",
    "system?tab=audit": "System",
}


class Page:
    """One page. What is not here is the browser's."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.browser = browser
        self.url = url
        self._expected: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.browser, name)

    def sign_in(self, password: str) -> None:
        """By the API, without the form."""
        answer = httpx.post(f"{self.url}/api/session", json={"password": password}, headers={"Origin": self.url})
        assert answer.status_code == 200, answer.text
        for name, value in answer.cookies.items():
            self.browser.take_cookie(self.url, name, value)

    def go(self, path: str = "", heading: str = "") -> None:
        """A view, once its figures are live and its lists are read."""
        self.browser.open(f"{self.url}/{path}")
        self.browser.see("main h1", heading)
        self.browser.see(".live-switch.m-live")
        self.browser.gone(".skeleton")

    def expect(self, *parts: str) -> None:
        """Complaints with one of these in them are what the test is about."""
        self._expected = parts

    def check(self) -> None:
        """The console complains of nothing, the Content-Security-Policy of nothing."""
        found = [each for each in self.browser.faults() if not any(part in each for part in self._expected)]
        assert not found, found

    def leave(self) -> None:
        """As it was found."""
        self.browser.driver.get("about:blank")
        self.browser.size(*DESKTOP)
        self.browser.scheme("light")
