"""The examples of docs/order.md, run as they stand there."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor import Priority, TaskConfig
from tests.conftest import MakeTree
from tests.support.documents import DOCS, rows
from tests.support.guides import unpack
from tests.support.script import run_script

GUIDE = DOCS / "order.md"


def test_the_examples_run(make_tree: MakeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = unpack(GUIDE, tmp_path, monkeypatch)
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
