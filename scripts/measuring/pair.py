"""This version beside another one, in turn: whether something new made everything else slower."""

from __future__ import annotations

import json
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
Figures = dict[str, list[float]]


def compare(revision: str, rounds: int) -> None:
    """Print the medians of both versions, and the ratio of ours to theirs: its median, and its quartiles."""
    with tempfile.TemporaryDirectory(prefix="measure-") as folder:
        unpack(revision, Path(folder))
        theirs: Figures = {}
        ours: Figures = {}
        for number in range(rounds):
            sides = [(Path(folder), theirs), (ROOT, ours)]
            for place, figures in sides if number % 2 else reversed(sides):
                add(figures, run(place))
    title = f"medians a second, {rounds} rounds in turn"
    print(f"{title:56} {revision[:12]:>12} {'here':>12}   here / there")
    for name, before in theirs.items():
        ratios = [now / then for then, now in zip(before, ours[name], strict=True)]
        print(
            f"{name:56} {statistics.median(before):12,.0f} {statistics.median(ours[name]):12,.0f}"
            f"   {statistics.median(ratios):.3f}   ({percentile(ratios, 0.25):.3f} to {percentile(ratios, 0.75):.3f})"
        )


def unpack(revision: str, folder: Path) -> None:
    """The files of a revision, measured by what measures here."""
    packed = subprocess.run(["git", "archive", revision], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    shutil.rmtree(folder / "scripts" / "measuring")
    shutil.copytree(ROOT / "scripts" / "measuring", folder / "scripts" / "measuring")


def run(place: Path) -> dict[str, float]:
    """One sample of the version that lies there."""
    done = subprocess.run(
        [sys.executable, "-m", "scripts.measuring.sample"],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(place)},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def add(figures: Figures, sample: dict[str, float]) -> None:
    """Put a sample to the others."""
    for name, value in sample.items():
        figures.setdefault(name, []).append(value)
