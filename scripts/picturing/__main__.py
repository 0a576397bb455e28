"""``scripts/screenshots [NAME …]``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scripts.picturing.load import Load, furnish, tree_of_tasks
from tests.support.browser import Browser
from tests.support.dashboards import OPERATOR, PASSWORDS, Dashboard
from tests.support.tree import RunningTree
from tests.support.waiting import until

PICTURES = Path(__file__).parent.parent.parent / "docs" / "pictures"
_DESKTOP, _PHONE = (1360, 900), (390, 844)
_WARM_UP_SECONDS = 75.0


@dataclass(frozen=True, slots=True)
class Picture:
    """One of them: where, how wide, in which theme."""

    name: str
    path: Callable[[dict[str, str]], str]
    seen: str
    """What has to be there before it is taken."""
    scheme: str = "light"
    size: tuple[int, int] = _DESKTOP


PICTURE_LIST = (
    Picture("overview-light", lambda ids: "", "table td", size=(1360, 1080)),
    Picture("overview-dark", lambda ids: "", "table td", "dark", (1360, 1080)),
    Picture("overview-phone", lambda ids: "", "table td", size=_PHONE),
    Picture("running-dark", lambda ids: "running", "td .bar", "dark", (1360, 620)),
    Picture("tasks-light", lambda ids: "tasks?state=failed&state=succeeded&name=shop.*", "td .state", size=(1360, 820)),
    Picture("tasks-phone", lambda ids: "tasks?state=failed", "td .state", "dark", _PHONE),
    Picture("task-light", lambda ids: f"tasks/{ids['long']}", ".line", size=(1360, 1000)),
    Picture("graph-dark", lambda ids: f"tasks/{ids['graph']}", ".node", "dark", (1360, 760)),
    Picture("queues-light", lambda ids: "queues", "td .bar", size=(1360, 560)),
    Picture("workers-light", lambda ids: "workers", "td .state", size=(1360, 860)),
    Picture("dead-dark", lambda ids: "dead", "td .state", "dark", (1360, 760)),
    Picture("schedules-light", lambda ids: "schedules", "td code", size=(1360, 480)),
    Picture("system-light", lambda ids: "system?tab=settings", "td code", size=(1360, 900)),
    Picture("system-summary-dark", lambda ids: "system", ".facts", "dark", (1360, 640)),
    Picture("sign-in-light", lambda ids: "sign-in", "#password", size=(900, 620)),
)
KEPT = (
    "overview-light",
    "overview-dark",
    "overview-phone",
    "running-dark",
    "tasks-light",
    "tasks-phone",
    "task-light",
    "graph-dark",
)
"""Those of the documentation; the others are drawn when they are named."""


FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><include>/etc/fonts/fonts.conf</include>
<selectfont><rejectfont><pattern>
<patelt name="family"><string>DejaVu Sans</string></patelt>
</pattern></rejectfont></selectfont>
<alias binding="strong"><family>sans-serif</family><prefer><family>Inter</family></prefer></alias>
</fontconfig>"""
"""A system font such as desktops have; a bare server has but DejaVu."""


def main(wanted: list[str]) -> None:
    """Draw them."""
    chosen = [picture for picture in PICTURE_LIST if picture.name in (wanted or KEPT)]
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pictures-") as name:
        folder = Path(name)
        (folder / "fonts.conf").write_text(FONTS, "utf-8")
        os.environ["FONTCONFIG_FILE"] = str(folder / "fonts.conf")
        settings = {"tasks": "scripts.picturing.shop", "workers": 6, "cpus": "off", "log_level": "info"}
        tree = RunningTree(folder, **settings)
        tree.title = "shop"
        dashboard = Dashboard(folder, tree.dir, PASSWORDS)
        try:
            tree.start()
            dashboard.start()
            try:
                _draw(folder, tree, dashboard, chosen)
            finally:
                dashboard.stop()
        finally:
            tree.close()


def _draw(folder: Path, tree: RunningTree, dashboard: Dashboard, chosen: list[Picture]) -> None:
    load = Load(tree.queue)
    browser = Browser(folder)
    try:
        load.start()
        ids = {"long": furnish(tree.queue), "graph": tree_of_tasks(tree.queue)}
        _sign_in(browser, dashboard)
        _warm_up(browser)
        for picture in sorted(chosen, key=lambda each: each.name == "sign-in-light"):
            _take(browser, dashboard, picture, ids)
    finally:
        browser.close()
        load.stop()


def _sign_in(browser: Browser, dashboard: Dashboard) -> None:
    browser.open(f"{dashboard.url}/sign-in", "#password")
    browser.see("#password").send_keys(OPERATOR + "\n")
    browser.see(".tile")


def _warm_up(browser: Browser) -> None:
    """Until the charts have something in them."""
    script = "return JSON.parse(sessionStorage.getItem('supervisor.seen') || '[]').length * 5"
    until(lambda: browser.js(script) >= _WARM_UP_SECONDS, "the figures of a minute", 2 * _WARM_UP_SECONDS, 0.5)


def _take(browser: Browser, dashboard: Dashboard, picture: Picture, ids: dict[str, str]) -> None:
    browser.scheme(picture.scheme)
    browser.size(*picture.size)
    if picture.name.startswith("sign-in"):
        browser.fresh(dashboard.url)
    browser.open(f"{dashboard.url}/{picture.path(ids)}", picture.seen)
    if not picture.name.startswith("sign-in"):
        browser.see(".m-live, .m-live .dot")
    path = PICTURES / f"dashboard-{picture.name}.png"
    browser.driver.save_screenshot(str(path))
    _shrink(path)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB, {browser.faults() or 'no complaints'}")


def _shrink(path: Path) -> None:
    """Flat colours compress well with a palette; left as it is where the tool is not installed."""
    try:
        subprocess.run(["pngquant", "--force", "--output", str(path), "192", str(path)], check=False)
    except FileNotFoundError:
        return


if __name__ == "__main__":
    main(sys.argv[1:])
