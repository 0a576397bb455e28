"""A run of scripts/soak as a picture. (matplotlib is what everybody draws such pictures with.)"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scripts.breaking.sample import Sample

_Line = tuple[str, Callable[[Sample], float]]
_PANELS: list[tuple[str, list[_Line]]] = [
    (
        "memory, MiB",
        [
            ("arbiter", lambda each: each.arbiter_rss / 2**20),
            ("master", lambda each: each.master_rss / 2**20),
            ("broker", lambda each: each.broker_rss / 2**20),
            ("template", lambda each: each.template_rss / 2**20),
        ],
    ),
    (
        "descriptors",
        [
            ("arbiter", lambda each: each.arbiter_fds),
            ("master", lambda each: each.master_fds),
            ("broker", lambda each: each.broker_fds),
        ],
    ),
    ("journal, MiB", [("database and log", lambda each: each.journal / 2**20)]),
    ("request, ms", [("median", lambda each: each.median * 1e3), ("p99", lambda each: each.p99 * 1e3)]),
    ("tasks a second", [("ended", lambda each: each.rate)]),
]


def draw(samples: Sequence[Sample], path: Path) -> None:
    """Write a PNG."""
    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    plt: Any = importlib.import_module("matplotlib.pyplot")
    figure, panels = plt.subplots(len(_PANELS), 1, sharex=True, figsize=(9, 11), layout="constrained")
    minutes = [each.minute for each in samples]
    for axes, (title, lines) in zip(panels, _PANELS, strict=True):
        for name, of in lines:
            axes.plot(minutes, [of(each) for each in samples], label=name, linewidth=1)
        axes.set_ylim(bottom=0)
        axes.set_ylabel(title)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        axes.grid(alpha=0.3)
    panels[-1].set_xlabel("minutes")
    figure.suptitle(f"A steady load: {samples[-1].workers:,} workers, one after the other in two places")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
