"""A guide of docs/ as an application: its one module in a package, and its scripts beside it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.documents import DOCS, files, scripts


def unpack(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[str], str] = str
) -> list[str]:
    """Put the module of a page, as ``change`` has it, into the folder of the tree that is made next; the scripts."""
    ((name, module),) = files(page).items()
    folder = tmp_path / "tree"  # where the scripts run, too
    (folder / "myapp").mkdir(parents=True)
    (folder / "myapp" / "__init__.py").touch()
    (folder / name).write_text(change(module), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(DOCS.parent), os.environ.get("PYTHONPATH", "")]))
    return scripts(page)
