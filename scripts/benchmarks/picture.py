"""Bars: one for each of what is compared, ours in another colour."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def draw(title: str, bars: Sequence[tuple[str, float]], path: Path) -> None:
    """Write a PNG, the fastest on top."""
    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    plt: Any = importlib.import_module("matplotlib.pyplot")
    ordered = sorted(bars, key=lambda bar: bar[1])
    names, values = [name for name, _ in ordered], [value for _, value in ordered]
    figure, axes = plt.subplots(figsize=(9, 0.4 * len(bars) + 1.2), layout="constrained")
    colours = ["#2a6f97" if name.startswith("gunicorn-supervisor") else "#c9ced6" for name in names]
    axes.barh(names, values, color=colours)
    axes.bar_label(axes.containers[0], labels=[f"{value:,.0f}" for value in values], padding=4)
    axes.set_title(title, loc="left")
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.set_xticks([])
    axes.margins(x=0.12)
    figure.savefig(path, dpi=110)
