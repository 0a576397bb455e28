"""The examples of docs/order.md, run as they stand there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from supervisor import Priority, TaskConfig
from tests.conftest import MakeTree
from tests.support.documents import DOCS, blocks, files, rows
from tests.support.script import run_script

GUIDE = DOCS / "order.md"


def test_the_examples_run(make_tree: MakeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ((name, module),) = files(GUIDE).items()
    scripts = [block.text for block in blocks(GUIDE) if block.language == "python" and block.text != module]
    folder = tmp_path / "tree"  # of the tree, and of the script
    (folder / "myapp").mkdir(parents=True)
    (folder / "myapp" / "__init__.py").touch()
    (folder / name).write_text(module, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(DOCS.parent), os.environ.get("PYTHONPATH", "")]))
    tree = make_tree(tasks="myapp.tasks", cpus="off", workers=1)  # one, so that the order shows
    assert len(scripts) == 5
    run_script(tree, "".join(scripts), timeout=100.0)


def test_what_it_says_of_priorities_and_options_is_so() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    for priority in Priority:
        assert f"`{priority.name.lower()}` ({str(int(priority)).replace('-', chr(0x2212))}" in text
    known = TaskConfig.__dataclass_fields__
    assert set(rows(GUIDE)) <= set(known)
    assert len(rows(GUIDE)) == 9
