"""This version beside another one, in turn: whether something new made everything else slower."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

from scripts.measuring.figures import percentile

ROOT = Path(__file__).parent.parent.parent


def compare(revision: str, rounds: int) -> None:
    """Print the medians of both versions, and the ratio of ours to theirs: its median, and its quartiles.

    Both run all the time and take turns slice by slice, a second at most, since the machine is not equally fast for
    longer than that.
    """
    with tempfile.TemporaryDirectory(prefix="measure-") as folder, ExitStack() as stack:
        unpack(revision, Path(folder))
        theirs, ours = (stack.enter_context(Side(place)) for place in (Path(folder), ROOT))
        for number in range(rounds):
            for name in ours.names:
                for side in (theirs, ours) if number % 2 else (ours, theirs):
                    side.take(name)
    title = f"medians a second, {rounds} rounds in turn"
    print(f"{title:56} {revision[:12]:>12} {'here':>12}   here / there")
    for name in ours.names:
        before, now = theirs.figures[name], ours.figures[name]
        ratios = [here / there for there, here in zip(before, now, strict=True)]
        print(
            f"{name:56} {statistics.median(before):12,.0f} {statistics.median(now):12,.0f}"
            f"   {statistics.median(ratios):.3f}   ({percentile(ratios, 0.25):.3f} to {percentile(ratios, 0.75):.3f})"
        )


class Side:
    """One version, running."""

    def __init__(self, place: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "scripts.measuring.sample"],
            cwd=place,
            env={**os.environ, "PYTHONPATH": str(place)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.names = self._read().split("\t")
        self.figures: dict[str, list[float]] = {name: [] for name in self.names}

    def __enter__(self) -> Side:
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
