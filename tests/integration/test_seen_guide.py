"""The examples of docs/seen.md, run as they stand there."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor import task_hooks
from supervisor.settings import Settings
from supervisor.wire.messages import LONGEST_CONTEXT
from tests.conftest import MakeTree
from tests.support.documents import DOCS
from tests.support.guides import unpack
from tests.support.script import run_script

GUIDE = DOCS / "seen.md"


def test_the_examples_run(make_tree: MakeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The workers' directory is that of the tests; what hooks write is looked for beside the script.
    written = repr(str(tmp_path / "tree" / "written.txt"))
    scripts = unpack(GUIDE, tmp_path, monkeypatch, lambda module: module.replace('"written.txt"', written))
    tree = make_tree(tasks="myapp.tasks", cpus="off")
    assert len(scripts) == 6
    run_script(tree, "".join(scripts), timeout=100.0)


def test_what_it_says_of_hooks_and_limits_is_so() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    for point in task_hooks.Point:
        assert f"| `{point.value.partition('(')[0]}(" in text
    assert f"`backlog_threshold` ({Settings().backlog_threshold:,})" in text
    assert f"{LONGEST_CONTEXT // 1024} KiB" in text
    assert not Settings().profile
