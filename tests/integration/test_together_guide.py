"""The examples of docs/together.md, run as they stand there."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor import TaskConfig
from tests.conftest import MakeTree
from tests.support.documents import DOCS, rows
from tests.support.guides import unpack
from tests.support.script import run_script

GUIDE = DOCS / "together.md"


def test_the_examples_run(make_tree: MakeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = unpack(GUIDE, tmp_path, monkeypatch)
    tree = make_tree(tasks="myapp.tasks", cpus="off")
    assert len(scripts) == 8
    run_script(tree, "".join(scripts), timeout=100.0)


def test_its_options_are_there() -> None:
    assert set(rows(GUIDE)) == {"on_parent_failure", "on_parent_cancel"}
    for name in rows(GUIDE):
        assert TaskConfig.__dataclass_fields__[name].default == "cancel"
