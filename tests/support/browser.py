"""Debian's Chromium, led by its driver: one per process, with a page for each test."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.support.waiting import until

T = TypeVar("T")
DRIVER, CHROMIUM = shutil.which("chromedriver"), shutil.which("chromium")
DESKTOP, PHONE = (1360, 900), (390, 844)
_TOLERATED = ("favicon.ico",)
_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # root has no other way
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
)


class Browser:
    """A Chromium, as a person uses it."""

    def __init__(self, folder: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for flag in (*_FLAGS, f"--user-data-dir={folder / 'chromium'}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = Service(executable_path=str(DRIVER), log_output=str(folder / "driver.txt"))
        self.driver = webdriver.Chrome(options=options, service=service)
        self.driver.set_page_load_timeout(30)
        self.size(*DESKTOP)

    def close(self) -> None:
        """End it, and its driver."""
        self.driver.quit()

    # -- the window ---------------------------------------------------------------------------------------------

    def size(self, width: int, height: int) -> None:
        """The page's size in CSS pixels; a phone's is touched and has its scale."""
        phone = width < 600
        self._cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def scheme(self, name: str) -> None:
        """The theme that the system has: light or dark."""
        self._cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def _cdp(self, command: str, **arguments: Any) -> Any:
        return self.driver.execute_cdp_cmd(command, arguments)

    def fresh(self, origin: str) -> None:
        """Forget cookies, storage and what was logged."""
        self.driver.get("about:blank")
        self._cdp("Storage.clearDataForOrigin", origin=origin, storageTypes="cookies,local_storage")
        self.driver.get_log("browser")  # type: ignore[no-untyped-call]

    def take_cookie(self, url: str, name: str, value: str) -> None:
        """Have one as if the site had given it."""
        self._cdp("Network.setCookie", url=url, name=name, value=value, httpOnly=True)

    def faults(self) -> list[str]:
        """What the console complained of since the last call: errors, and what the Content-Security-Policy refused."""
        found = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        bad = [each["message"] for each in found if each["level"] == "SEVERE" or "Content Security" in each["message"]]
        return [each for each in bad if not any(name in each for name in _TOLERATED)]

    # -- going ---------------------------------------------------------------------------------------------------

    def open(self, url: str, what: str = "main h1") -> None:
        """A page, until its heading is there."""
        self.driver.get(url)
        self.see(what)

    def see(self, css: str, text: str = "", timeout: float = 15.0) -> WebElement:
        """The first visible element that matches and has the text, once there is one."""

        def found() -> WebElement | None:
            for element in self.driver.find_elements(By.CSS_SELECTOR, css):
                try:
                    if element.is_displayed() and text in element.text:
                        return element
                except StaleElementReferenceException:
                    continue
            return None

        return self.until(found, f"{css} with {text!r}", timeout)

    def gone(self, css: str, text: str = "", timeout: float = 15.0) -> None:
        """Until nothing visible matches."""

        def absent() -> bool:
            return not self.js(
                "return [...document.querySelectorAll(arguments[0])]"
                ".some(e => e.checkVisibility() && e.innerText.includes(arguments[1]))",
                css,
                text,
            )

        self.until(absent, f"the end of {css} with {text!r}", timeout)

    def click(self, css: str, text: str = "") -> None:
        """What matches, once it is there: a live page may have drawn it anew meanwhile."""

        def done() -> bool:
            try:
                element = self.see(css, text)
                self.js("arguments[0].scrollIntoView({block: 'center'})", element)
                element.click()
            except StaleElementReferenceException:
                return False
            return True

        self.until(done, f"a click at {css} {text}")

    def act(self, name: str) -> None:
        """Click the button that screen readers call so."""
        self.click(f'main button[aria-label="{name}"]')

    def confirm(self, word: str = "") -> None:
        """Say yes in the dialog, with its word typed where it wants one."""
        self.see("dialog[open]")
        if word:
            self.see("dialog[open] input").send_keys(word)
        self.click("dialog[open] footer button[type=submit]:not([aria-disabled=true])")

    def toast(self, text: str) -> None:
        """Until the page has told the outcome."""
        self.see(".toast", text)

    def press(self, *keys: str) -> None:
        """Keys, to whatever has the focus."""
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def tab_to(self, css: str, most: int = 80) -> None:
        """Go on with the tabulator until what matches has the focus."""
        for _ in range(most):
            if self.js("return document.activeElement.matches(arguments[0])", css):
                return
            self.press(Keys.TAB)
        raise AssertionError(f"{most} tabs lead not to {css}")

    # -- looking -------------------------------------------------------------------------------------------------

    def js(self, code: str, *arguments: object) -> Any:
        """What a script in the page returns."""
        return self.driver.execute_script(code, *arguments)

    @property
    def text(self) -> str:
        """All that is readable."""
        return str(self.js("return document.body.innerText"))

    @property
    def path(self) -> str:
        """The URL's path and query."""
        return str(self.js("return location.pathname + location.search"))

    @property
    def is_wider_than_screen(self) -> bool:
        """Whether one would have to scroll sideways."""
        return bool(self.js("return document.documentElement.scrollWidth > innerWidth"))

    def until(self, condition: Callable[[], T | None], what: str, timeout: float = 15.0) -> T:
        """The first true value; AssertionError with what the page says where there is none in time."""
        try:
            return until(condition, what, timeout, 0.02)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.path} says:\n{self.text[:2000]}") from None

    def axe(self, source: str, *rules: str) -> list[str]:
        """What axe-core finds on the page that is serious or critical, by these rules only or by all."""
        self.js(f"if (!window.axe) {{ {source} }}")
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "const chosen = arguments[0].length ? {runOnly: arguments[0]} : {};"
            "axe.run(document, {resultTypes: ['violations'], ...chosen})"
            ".then(found => done(JSON.stringify(found.violations)),"
            " error => done(JSON.stringify([{id: String(error), impact: 'critical', nodes: []}])))",
            list(rules),
        )
        return [
            f"{each['id']}: {[node['html'][:200] + ' ' + node['failureSummary'] for node in each['nodes'][:3]]}"
            for each in json.loads(found)
            if each["impact"] in ("serious", "critical")
        ]
