"""The examples of docs/numbers.md, run as they stand there."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from supervisor import Figures
from supervisor.settings import Settings, specs
from supervisor.settings.running import CHANGEABLE
from tests.conftest import MakeTree
from tests.support.documents import DOCS, rows
from tests.support.guides import unpack
from tests.support.script import run_script

GUIDE = DOCS / "numbers.md"


def test_the_examples_run(make_tree: MakeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = unpack(GUIDE, tmp_path, monkeypatch)
    tree = make_tree(tasks="myapp.tasks", cpus="off", workers=1)
    assert len(scripts) == 5
    run_script(tree, "".join(scripts), timeout=100.0)


def test_what_it_says_of_settings_and_figures_is_so() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    known = specs(Settings)
    named = rows(GUIDE)
    assert named == ["workers", "min_workers", "max_workers", "worker_idle_timeout", "max_waiting"]
    assert set(named) <= CHANGEABLE
    assert (known["worker_idle_timeout"].default, known["max_waiting"].default) == (60.0, 100)
    for each in fields(Figures):
        assert f"`{each.name}`" in text
