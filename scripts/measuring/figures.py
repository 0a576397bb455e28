"""Medians, percentiles, and how they are shown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def say(label: str, figure: str) -> None:
    """One line of the table."""
    print(f"{label:58} {figure}", flush=True)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of them lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def spread(values: Sequence[float], unit: str = "ms", scale: float = 1e3) -> str:
    """Median, p99 and maximum."""
    scaled = [value * scale for value in values]
    return (
        f"p50 {statistics.median(scaled):8.3f} {unit}   p99 {percentile(scaled, 0.99):8.3f} {unit}"
        f"   max {max(scaled):8.3f} {unit}   ({len(scaled)} runs)"
    )


def rates(values: Sequence[float]) -> str:
    """Median rate, with the least and the most."""
    return f"{statistics.median(values):10,.0f} /s   ({min(values):,.0f} to {max(values):,.0f}, {len(values)} rounds)"
