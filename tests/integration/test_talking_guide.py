"""The examples of docs/talking.md, run as they stand there."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from supervisor import LogLine
from tests.conftest import MakeTree
from tests.support.documents import DOCS, rows
from tests.support.guides import unpack
from tests.support.script import run_script

GUIDE = DOCS / "talking.md"


def test_the_examples_run(make_tree: MakeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = unpack(GUIDE, tmp_path, monkeypatch)
    tree = make_tree(tasks="myapp.tasks", cpus="off")
    assert len(scripts) == 5
    printed = run_script(tree, "".join(scripts), timeout=100.0)
    assert "info log myapp.tasks reading rows.csv {'step': 'read', 'file': 'rows.csv'}\n" in printed
    assert "page 0\npage 1\npage 2\n" in printed


def test_what_it_says_of_a_line_is_all_that_there_is() -> None:
    assert set(rows(GUIDE)) - {"LogLine"} == {field.name for field in dataclasses.fields(LogLine)}
