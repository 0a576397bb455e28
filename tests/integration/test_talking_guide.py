"""The examples of docs/talking.md, run as they stand there."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from supervisor import LogLine
from tests.conftest import MakeTree
from tests.support.documents import DOCS, blocks, files, rows
from tests.support.script import run_script

GUIDE = DOCS / "talking.md"


def test_the_examples_run(make_tree: MakeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ((name, module),) = files(GUIDE).items()
    scripts = [block.text for block in blocks(GUIDE) if block.language == "python" and block.text != module]
    folder = tmp_path / "tree"  # of the tree, and of the script
    (folder / "myapp").mkdir(parents=True)
    (folder / "myapp" / "__init__.py").touch()
    (folder / name).write_text(module, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(DOCS.parent), os.environ.get("PYTHONPATH", "")]))
    tree = make_tree(tasks="myapp.tasks", cpus="off")
    assert len(scripts) == 5
    printed = run_script(tree, "".join(scripts), timeout=100.0)
    assert "info log myapp.tasks reading rows.csv {'step': 'read', 'file': 'rows.csv'}\n" in printed
    assert "page 0\npage 1\npage 2\n" in printed


def test_what_it_says_of_a_line_is_all_that_there_is() -> None:
    assert set(rows(GUIDE)) - {"LogLine"} == {field.name for field in dataclasses.fields(LogLine)}
