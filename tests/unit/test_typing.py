"""What type checkers know of tasks: mypy and pyright are run on a sample, and complain of the wrong lines alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parents[1] / "support" / "typed_calls.txt"
PROGRAMS = Path(sys.executable).parent
NAME = "calls.py"


def run(folder: Path, *command: str) -> str:
    """What a checker says of the sample."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MYPY")}
    done = subprocess.run(
        [PROGRAMS / command[0], *command[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1, f"it has found nothing, or could not run:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def mypy(folder: Path) -> dict[int, str]:
    said = run(folder, "mypy", "--strict", "--cache-dir=cache", "--config-file=", "--no-error-summary", NAME)
    found = [re.match(rf"{NAME}:(\d+): error: (.*)", line) for line in said.splitlines()]
    return {int(match[1]): match[2] for match in found if match}


def pyright(folder: Path) -> dict[int, str]:
    (folder / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "standard"}))
    said = run(folder, "pyright", "--pythonpath", sys.executable, "--outputjson", NAME)
    found = json.loads(said)["generalDiagnostics"]
    return {each["range"]["start"]["line"] + 1: each["message"] for each in found if each["severity"] == "error"}


@pytest.mark.parametrize("check", [mypy, pyright])
def test_wrong_calls_are_found_and_right_ones_pass(check: Callable[[Path], dict[int, str]], tmp_path: Path) -> None:
    text = SAMPLE.read_text(encoding="utf-8")
    (tmp_path / NAME).write_text(text, encoding="utf-8")
    lines = text.splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    assert len(wrong) > 50
    found = check(tmp_path)
    assert {lines[number - 1]: found[number] for number in found.keys() - wrong} == {}, "right, and complained of"
    assert [lines[number - 1] for number in sorted(wrong - found.keys())] == [], "wrong, and not found"
