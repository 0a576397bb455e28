"""The examples of docs/testing.md, run as they stand there, in a project of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.command import environment
from tests.support.documents import DOCS, blocks, files

GUIDE = DOCS / "testing.md"


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment({"PYTHONPATH": str(folder)}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_examples_run(tmp_path: Path) -> None:
    written = files(GUIDE)
    for name, text in written.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "myapp" / "__init__.py").touch()
    (configuration,) = (block.text for block in blocks(GUIDE) if block.language == "toml")
    (tmp_path / "pyproject.toml").write_text(configuration + 'filterwarnings = ["error"]\n', encoding="utf-8")
    (script,) = (each.text for each in blocks(GUIDE) if each.language == "python" and each.text not in written.values())
    said = run(
        tmp_path, "-m", "pytest", "-pno:cacheprovider", "-pno:hypothesispytest", "-pno:anyio", "--strict-markers"
    )
    assert "8 passed" in said
    run(tmp_path, "-W", "error", "-c", script)
