"""This version beside another one, in turn: whether something new made everything else slower."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

from scripts.measuring.figures import percentile

ROOT = Path(__file__).parent.parent.parent
_ROUNDS_A_START = 5


def compare(revision: str, rounds: int) -> None:
    """Print the medians of both versions, and the ratio of ours to theirs: its median, and its quartiles.

    Both run all the time and take turns slice by slice, a second at most, since the machine is not equally fast for
    longer than that. Both are started anew every few rounds: by luck with addresses, one process may be a tenth faster
    than another for as long as it lives.
    """
    with tempfile.TemporaryDirectory(prefix="measure-") as folder:
        unpack(revision, Path(folder))
        theirs, ours = Side(Path(folder)), Side(ROOT)
        for first in range(0, rounds, _ROUNDS_A_START):
            with theirs, ours:
                for number in range(first, min(rounds, first + _ROUNDS_A_START)):
                    for name in ours.figures:
                        for side in (theirs, ours) if number % 2 else (ours, theirs):
                            side.take(name)
    title = f"medians a second, {rounds} rounds in turn"
    print(f"{title:56} {revision[:12]:>12} {'here':>12}   here / there")
    for name in ours.figures:
        before, now = theirs.figures[name], ours.figures[name]
        ratios = [here / there for there, here in zip(before, now, strict=True)]
        print(
            f"{name:56} {statistics.median(before):12,.0f} {statistics.median(now):12,.0f}"
            f"   {statistics.median(ratios):.3f}   ({percentile(ratios, 0.25):.3f} to {percentile(ratios, 0.75):.3f})"
        )


class Side:
    """One version, which runs inside ``with``."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self.figures: dict[str, list[float]] = {}

    def __enter__(self) -> Side:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "scripts.measuring.sample"],
            cwd=self._place,
            env={**os.environ, "PYTHONPATH": str(self._place)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in self._read().split("\t"):
            self.figures.setdefault(name, [])
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def take(self, name: str) -> None:
        """One slice more."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        self.figures[name].append(float(self._read()))

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"it ended with exit code {self._process.wait()}")
        return line.rstrip("\n")


def unpack(revision: str, folder: Path) -> None:
    """The files of a revision, measured by what measures here."""
    packed = subprocess.run(["git", "archive", revision], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    shutil.rmtree(folder / "scripts" / "measuring")
    shutil.copytree(ROOT / "scripts" / "measuring", folder / "scripts" / "measuring")
