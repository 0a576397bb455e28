"""The pages of docs/coming-from, walked as they stand there: their files served by a real Gunicorn, their scripts run
beside it, their commands typed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import MakeTree
from tests.support.documents import DOCS, Session, assembled, blocks, scripts, steps
from tests.support.script import run_script
from tests.support.site import Site, perform

PAGES = DOCS / "coming-from"
FACTORY = "myapp.web:create_app()"


@contextmanager
def walked(name: str, folder: Path, *arguments: str) -> Iterator[Site]:
    """Serve a page's files, run its scripts and type its commands; then whatever the test adds."""
    page = PAGES / name
    # Tasks of the lowest niceness would starve where the machine is busy with other tests.
    site = Site(folder, {**assembled(page), "myapp/__init__.py": ""}, SUPERVISOR_CPUS="off")
    try:
        site.start("--workers", "1", *arguments)
        site.script("".join(scripts(page)))
        session = Session()
        for block in blocks(page):
            if block.language == "console":
                for step in steps(block.text):
                    perform(site, session, step)
        yield site
        assert site.stop() == 0, site.log.read_text()
    finally:
        site.close()


def test_eagle(tmp_path: Path) -> None:
    with walked("eagle.md", tmp_path, FACTORY):
        pass


def test_catzilla(tmp_path: Path) -> None:
    with walked("catzilla.md", tmp_path):
        pass


def test_pacificpy(tmp_path: Path) -> None:
    with walked("pacificpy.md", tmp_path):
        pass


def test_fastedgy(tmp_path: Path) -> None:
    with walked("fastedgy.md", tmp_path):
        pass


def test_intracker(tmp_path: Path) -> None:
    with walked("intracker.md", tmp_path):
        pass


def test_others(make_tree: MakeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, folder = PAGES / "others.md", tmp_path / "tree"
    for name, text in {**assembled(page), "myapp/__init__.py": ""}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(DOCS.parent), os.environ.get("PYTHONPATH", "")]))
    run_script(make_tree(tasks="myapp.tasks", cpus="off"), "".join(scripts(page)), timeout=100.0)
