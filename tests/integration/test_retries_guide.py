"""The examples of docs/retries-and-results.md, run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import MakeTree
from tests.support.documents import DOCS
from tests.support.guides import unpack
from tests.support.script import run_script

GUIDE = DOCS / "retries-and-results.md"


def test_the_examples_run(make_tree: MakeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = unpack(GUIDE, tmp_path, monkeypatch)
    tree = make_tree(tasks="myapp.tasks", cpus="off", retry_jitter="10ms")
    assert len(scripts) == 6
    run_script(tree, "".join(scripts), timeout=100.0)


def test_its_defaults_are_those_of_the_settings() -> None:
    told = GUIDE.read_text(encoding="utf-8")
    reference = (GUIDE.parent / "settings.md").read_text(encoding="utf-8")
    for name, here, there in (
        ("max_retries", "(default 3)", "3"),
        ("retry_delay", "(1 s)", "1s"),
        ("backoff", "(2)", "2.0"),
        ("max_delay", "(1 h)", "1h"),
        ("retry_jitter", "(1 s)", "1s"),
        ("crash_budget", "(3)", "3"),
        ("abort_budget", "(10)", "10"),
        ("inline_limit", "(64 KiB)", "64K"),
        ("result_ttl", "7 days", "7d"),
        ("record_ttl", "24 hours", "1d"),
        ("dead_ttl", "30 days", "30d"),
    ):
        assert re.search(rf"`{name}`[^`]{{0,9}}?{re.escape(here)}", told, re.DOTALL), name
        assert f"| `{name}` | `SUPERVISOR_{name.upper()}` | `{there}` |" in reference, name
