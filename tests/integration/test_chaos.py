"""A minute of failures at random, under load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(900)
def test_a_minute_of_random_failures_loses_nothing(tmp_path: Path) -> None:
    # Other tests run beside it: how long a recovery takes on a machine of its own is for the command to say.
    with subprocess.Popen(
        [sys.executable, "-m", "scripts.breaking.chaos", "--minutes", "1", "--seed", "1", "--within", "30"],
        cwd=Path(__file__).parents[2],
        env={"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as chaos:
        try:
            said, _ = chaos.communicate(timeout=800)
        except subprocess.TimeoutExpired:
            chaos.terminate()  # it ends what it has started
            said, _ = chaos.communicate()
    assert chaos.returncode == 0, said[-8000:]
    assert "nothing is wrong" in said
