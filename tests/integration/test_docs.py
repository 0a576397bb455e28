"""What the documentation shows is what happens: its files are written and served, its sessions typed."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor import Cause, State
from supervisor.settings import Settings
from supervisor.settings.source import WEB_VARIABLES
from supervisor.settings.spec import specs
from tests.support.documents import DOCS, README, Session, anchors, blocks, files, links, rows, steps, variables
from tests.support.site import Site, perform

QUICKSTART = DOCS / "quickstart.md"
FRAMEWORKS = ("FastAPI", "Starlette", "Flask")
INSTALLING = "Install"
each_page = pytest.mark.parametrize(
    "page", [README, *sorted(DOCS.rglob("*.md"))], ids=lambda page: str(page.relative_to(README.parent))
)


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """The quickstart's files, with the application of one framework."""
    framework: str = getattr(request, "param", FRAMEWORKS[0])
    written = files(QUICKSTART, *(other for other in FRAMEWORKS if other != framework))
    if framework == "Flask":
        lines = written["gunicorn_config.py"].splitlines(keepends=True)
        written["gunicorn_config.py"] = "".join(line for line in lines if not line.startswith("worker_class"))
    made = Site(tmp_path, {**written, "myapp/__init__.py": ""})
    yield made
    made.close()


@pytest.mark.parametrize("site", FRAMEWORKS, indirect=True)
def test_the_quickstart_prints_what_it_says(site: Site) -> None:
    site.start()
    session = Session()
    for block in blocks(QUICKSTART):
        if block.language == "console" and block.heading != INSTALLING:
            for step in steps(block.text):
                perform(site, session, step)
    assert site.stop() == 0, site.log.read_text()


def test_the_quickstarts_python_sessions_show_what_they_say(site: Site) -> None:
    site.start()
    site.expect("\n".join(block.text for block in blocks(QUICKSTART) if block.language == "pycon"))
    assert site.stop() == 0, site.log.read_text()


def test_the_readme_shows_what_happens(tmp_path: Path) -> None:
    written = files(README)
    # Three lines for a file that is there already.
    written["gunicorn_config.py"] = 'wsgi_app = "myapp.web:app"\n' + written["gunicorn_config.py"].replace("=4", "=2")
    site = Site(tmp_path, {**written, "myapp/__init__.py": "", "myapp/web.py": "app = lambda environ, start: []\n"})
    try:
        site.start()
        site.expect("\n".join(block.text for block in blocks(README) if block.language == "pycon"))
        assert site.stop() == 0, site.log.read_text()
    finally:
        site.close()


def test_the_journal_is_read_and_copied_as_the_page_says(site: Site) -> None:
    site.start()
    site.expect(">>> from myapp import tasks\n>>> tasks.count_words.delay('a').result(timeout=10)\n{'a': 1}\n")
    (code,) = (block.text for block in blocks(DOCS / "durability.md") if block.language == "python")
    (site.folder / "read.py").write_text(code, encoding="utf-8")
    assert site.run("python read.py").stdout.decode() == "succeeded 1\n"
    with contextlib.closing(sqlite3.connect(site.folder / "copy.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert copy.execute("SELECT state FROM tasks").fetchall() == [("succeeded",)]
    assert site.stop() == 0, site.log.read_text()


@each_page
def test_every_link_of_the_documentation_leads_somewhere(page: Path) -> None:
    for target, anchor in links(page):
        place = page.parent / target if target else page
        assert place.exists(), f"{target} is not there"
        assert not anchor or anchor in anchors(place), f"{target} has no heading for #{anchor}"


@each_page
def test_every_python_block_is_python(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python" and page.name != "api.md":
            compile(block.text, str(page), "exec")


@each_page
def test_every_environment_variable_that_is_written_is_a_setting(page: Path) -> None:
    known = {spec.env for spec in specs(Settings).values()} | set(WEB_VARIABLES)
    assert set(variables(page)) <= known


def test_every_cause_and_every_state_is_explained() -> None:
    durability, life = (DOCS / name for name in ("durability.md", "how-it-works.md"))
    assert {cause.value for cause in Cause} <= set(rows(durability))
    assert {state.value for state in State} <= set(rows(life))


def test_the_defaults_that_the_budgets_name_are_those_of_the_settings() -> None:
    text = (DOCS / "durability.md").read_text(encoding="utf-8")
    known = specs(Settings)
    for name in ("max_retries", "crash_budget", "abort_budget"):
        assert f"`{name}` ({known[name].default})" in text


def test_every_dependency_says_why_it_is_there() -> None:
    text = (DOCS / "dependencies.md").read_text(encoding="utf-8")
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {re.split(r"[^\w-]", line)[0] for group in groups for line in group} - {project["name"]}
    assert {name for name in names if not re.search(rf"[\[ ]{name}\b", text)} == set()


def test_gunicorn_reads_the_config_file_of_its_page(site: Site) -> None:
    (site.folder / "gunicorn_config.py").write_text(files(DOCS / "gunicorn.md")["gunicorn_config.py"])
    site.start("-k", "uvicorn_worker.UvicornWorker")
    assert site.stop() == 0, site.log.read_text()
    assert "goodbye" in site.log.read_text()
    assert "call attach last" not in site.log.read_text()
