"""Dashboard, alerts and page: every metric that they name is exposed by a tree, and Prometheus' tool finds no fault."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.metrics import catalogue
from supervisor.metrics.catalogue import Kind
from tests.support import tasks
from tests.support.documents import DOCS
from tests.support.scraping import PROMTOOL, Scraped, look, promtool
from tests.support.shared import ended, running

MONITORING = DOCS / "monitoring"
ALERTS, DASHBOARD, TESTS = (MONITORING / name for name in ("alerts.yml", "dashboard.json", "alerts_test.yml"))
_NAME = re.compile(r"\bsupervisor_[a-z_]+\b")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool: scripts/promtool fetches it")


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    """A tree in which one task has failed."""
    with running(tmp_path_factory.mktemp("monitoring")) as tree:
        ended(tree.queue, tasks.fail.on(tree.queue).options(max_retries=0).delay().id)
        yield look(tree)


def expressions(found: object) -> Iterator[str]:
    """Every query in a dashboard."""
    if isinstance(found, dict):
        for key, value in found.items():
            if key in ("expr", "definition", "query") and isinstance(value, str):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(found, list):
        for each in found:
            yield from expressions(each)


def test_a_tree_exposes_every_metric_of_the_catalogue_and_no_other(scraped: Scraped) -> None:
    assert scraped.series() == {name for family in catalogue.families() for name in family.series}
    for family in catalogue.families():
        name = family.name.removesuffix("_total") if family.kind is Kind.COUNTER else family.name
        assert scraped.kinds[name] == family.kind
        labels = {frozenset(each.labels) - {"le"} for each in scraped.samples if each.name in family.series}
        assert labels == {frozenset({catalogue.DIRECTORY, *family.labels})}


@pytest.mark.parametrize("page", [DASHBOARD, ALERTS, TESTS], ids=lambda page: page.name)
def test_every_metric_that_is_named_is_exposed(scraped: Scraped, page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(_NAME.findall(" ".join(expressions(json.loads(text))) if page is DASHBOARD else text))
    assert len(named) > 10
    assert named <= scraped.series()


def test_the_dashboard_shows_every_metric() -> None:
    text = " ".join(expressions(json.loads(DASHBOARD.read_text(encoding="utf-8"))))
    for family in catalogue.families():
        assert family.series & set(_NAME.findall(text)), f"{family.name} is on no panel"


def test_the_panels_of_the_dashboard_lie_beside_each_other() -> None:
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)


@needs_promtool
def test_what_is_exposed_is_well_formed(scraped: Scraped) -> None:
    checked = promtool("check", "metrics", text=scraped.text)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@needs_promtool
def test_the_alerts_fire_when_they_are_to_and_not_else() -> None:
    checked = promtool("check", "rules", ALERTS)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = promtool("test", "rules", TESTS)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    names = re.findall(r"- alert: (\w+)", ALERTS.read_text(encoding="utf-8"))
    assert names == [name for name in names if name in TESTS.read_text(encoding="utf-8")], "one is not tested"


@needs_promtool
def test_every_query_of_the_dashboard_can_be_read(tmp_path: Path) -> None:
    found = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    queries = {each for panel in found["panels"] for each in expressions(panel.get("targets", []))}
    assert len(queries) > 30
    rules = [
        {"record": f"query:{number}", "expr": query.replace("$__rate_interval", "5m")}
        for number, query in enumerate(sorted(queries))
    ]
    page = tmp_path / "queries.yml"
    page.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    checked = promtool("check", "rules", page)
    assert checked.returncode == 0, checked.stdout + checked.stderr
