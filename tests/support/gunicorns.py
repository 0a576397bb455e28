"""Releases of Gunicorn to run the tests with: the installed one, and others laid over it.

Another release is installed into a folder of its own, which then comes first on the import path; everything else
stays that of this environment. The folder is made once and kept in pytest's cache.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest

OLDEST = "21.2.0"
INSTALLED = "installed"
VARIABLE = "GUNICORN"
"""Environment variable that names one release for every test, as ``scripts/matrix`` does."""


@dataclass(frozen=True, slots=True)
class Gunicorn:
    """A release: its program, and what has to come first on the import path for it."""

    version: str
    program: Path
    path: Path | None = None

    @property
    def major(self) -> int:
        """The first number of its version."""
        return int(self.version.partition(".")[0])


def releases() -> list[str]:
    """The releases that tests marked ``both_releases`` run with."""
    chosen = os.environ.get(VARIABLE)
    return [chosen] if chosen else [INSTALLED, OLDEST]


both_releases = pytest.mark.parametrize("gunicorn", releases(), indirect=True)


def installed() -> Gunicorn:
    """The release of this environment."""
    return Gunicorn(metadata.version("gunicorn"), Path(sys.executable).with_name("gunicorn"))


def overlay(version: str, cache: Path) -> Gunicorn:
    """Another release; the test is skipped, with pip's reason, where it cannot be had."""
    folder = cache / version
    with (cache / f"{version}.lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)  # several test processes may want it at the same time
        if not (folder / "bin" / "gunicorn").exists():
            _install(version, folder)
    return Gunicorn(version, folder / "bin" / "gunicorn", folder)


def _install(version: str, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, "--upgrade", "--target", str(folder), f"gunicorn=={version}"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"Gunicorn {version} cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
