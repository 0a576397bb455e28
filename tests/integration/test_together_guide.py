"""The examples of docs/together.md, run as they stand there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from supervisor import TaskConfig
from tests.conftest import MakeTree
from tests.support.documents import DOCS, blocks, files, rows
from tests.support.script import run_script

GUIDE = DOCS / "together.md"


def test_the_examples_run(make_tree: MakeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ((name, module),) = files(GUIDE).items()
    scripts = [block.text for block in blocks(GUIDE) if block.language == "python" and block.text != module]
    folder = tmp_path / "tree"  # of the tree, and of the script
    (folder / "myapp").mkdir(parents=True)
    (folder / "myapp" / "__init__.py").touch()
    (folder / name).write_text(module, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(DOCS.parent), os.environ.get("PYTHONPATH", "")]))
    tree = make_tree(tasks="myapp.tasks", cpus="off")
    assert len(scripts) == 8
    run_script(tree, "".join(scripts), timeout=100.0)


def test_its_options_are_there() -> None:
    assert set(rows(GUIDE)) == {"on_parent_failure", "on_parent_cancel"}
    for name in rows(GUIDE):
        assert TaskConfig.__dataclass_fields__[name].default == "cancel"
