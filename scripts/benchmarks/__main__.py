"""``scripts/bench [--rounds N] [PEER …]``: all peers and ours in turn, on the same work; medians, ratios, pictures."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmarks import picture, servers
from scripts.benchmarks.marks import VARIABLE
from scripts.benchmarks.peer import ROOT, Figure
from scripts.benchmarks.yardsticks import yardsticks

PEERS = {
    "ours": "gunicorn-supervisor, normal",
    "ours_off": "gunicorn-supervisor, off",
    "ours_full": "gunicorn-supervisor, full",
    "pool": "multiprocessing.Pool",
    "executor": "ProcessPoolExecutor",
    "pebble_pool": "Pebble",
    "loky_pool": "loky",
    "celery_prefork": "Celery (Redis)",
    "rq_pool": "RQ",
    "dramatiq_redis": "Dramatiq (Redis)",
    "huey_redis": "Huey (Redis)",
    "huey_sqlite": "Huey (SQLite)",
    "saq_redis": "SAQ (Redis)",
    "arq_redis": "arq (Redis)",
    "taskiq_list": "taskiq (Redis)",
    "procrastinate_postgres": "procrastinate (PostgreSQL)",
    "flexiq_prefork": "flexiq (SQLite)",
    "gunicorn_dirty": "Gunicorn's dirty arbiter",
}
"""The names of their modules, and what they are called."""
FAST = {"ours", "ours_off", "ours_full", "pool", "executor", "pebble_pool", "loky_pool"}
COUNTS = {"drain": (20_000, 2_000), "submits": (3_000, 500), "starts": (300, 100)}
"""How many tasks a run has: for the fast, and for the others."""
WITHOUT = {
    "submits": {"pool", "executor", "pebble_pool", "loky_pool", "gunicorn_dirty"},
    "starts": {"pool", "executor", "pebble_pool", "loky_pool", "ours_off", "ours_full"},
}
"""Nobody answers a submit to a pool, or only when the task has ended; and pools wait at a gate."""
PYTHONS = {"arq_redis": ROOT / ".venv-bench-arq" / "bin" / "python"}
"""Those that cannot be installed beside the others."""
TITLES = {
    "drain": "no-op tasks a second, of a filled queue",
    "submits": "acknowledged submits a second, one by one",
    "starts": "1 / median time from a submit on an idle queue to the first line of the task",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One peer's figures of one measure."""

    peer: str
    values: Sequence[float]
    durability: str
    settings: str

    @property
    def name(self) -> str:
        """What it is called; a limit of the machine is so by itself."""
        return PEERS.get(self.peer, self.peer)

    @property
    def median(self) -> float:
        """Of all rounds."""
        return statistics.median(self.values)


def _database(name: str) -> AbstractContextManager[str]:
    return servers.postgres() if name == "procrastinate_postgres" else nullcontext("")


def run(name: str, measure: str) -> Figure:
    """One run, in a folder and with servers of its own."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    fast, slow = COUNTS[measure]
    count = fast if name in FAST else slow
    try:
        with servers.redis(folder) as place, _database(name) as database:
            environment = {
                **os.environ,
                "BENCH_FOLDER": str(folder),
                "BENCH_REDIS": place,
                "BENCH_POSTGRES": database,
                VARIABLE: str(folder / "marks"),
                "PYTHONPATH": str(ROOT),
            }
            command = [
                str(PYTHONS.get(name, sys.executable)),
                "-m",
                "scripts.benchmarks.drive",
                name,
                measure,
                str(count),
            ]
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False
            )
        if done.returncode != 0:
            raise RuntimeError(f"{name}: {done.stderr[-2000:]}")
        return Figure(**json.loads(done.stdout.splitlines()[-1]))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def table(measure: str, rows: list[Row]) -> str:
    """Markdown: medians, their spread, and how many times as fast we are."""
    ours = {row.peer: row.median for row in rows}
    lines = [
        f"### {TITLES[measure][0].upper()}{TITLES[measure][1:]}",
        "",
        "| | a second | least to most | ours, normal, is | an accepted task outlives | set as |",
        "| --- | ---: | ---: | ---: | --- | --- |",
    ]
    for row in sorted(rows, key=lambda each: -each.median):
        spread = f"{min(row.values):,.0f} to {max(row.values):,.0f}"
        ratio = f"{ours['ours'] / row.median:.1f} ×" if "ours" in ours else ""
        lines.append(f"| {row.name} | {row.median:,.0f} | {spread} | {ratio} | {row.durability} | {row.settings} |")
    return "\n".join(lines)


def measure_all(names: list[str], measures: Sequence[str], rounds: int) -> dict[str, list[Row]]:
    """Everyone in turn, forth and back; the rows of each measure."""
    found: dict[tuple[str, str], list[Figure]] = defaultdict(list)
    for number in range(rounds):
        for measure in measures:
            for limit in yardsticks(measure):
                found[measure, limit.peer].append(limit)
            for name in names if number % 2 == 0 else reversed(names):
                if name in WITHOUT.get(measure, ()):
                    continue
                figure = run(name, measure)
                found[measure, name].append(figure)
                print(f"round {number + 1}: {measure:8} {PEERS[name]:28} {figure.value:10,.0f} /s", flush=True)
    rows: dict[str, list[Row]] = {measure: [] for measure in measures}
    for (measure, name), figures in found.items():
        values = [each.value for each in figures]
        rows[measure].append(Row(name, values, figures[0].durability, figures[0].settings))
    return rows


def draw(rows: dict[str, list[Row]], folder: Path) -> None:
    """A picture of each measure."""
    folder.mkdir(parents=True, exist_ok=True)
    for measure, found in rows.items():
        picture.draw(TITLES[measure], [(row.name.strip("*"), row.median) for row in found], folder / f"{measure}.png")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is run (default 5)")
    parser.add_argument("--measure", choices=COUNTS, action="append", help="only this (may be given again)")
    parser.add_argument("--into", type=Path, default=None, help="a folder to write a page and pictures into")
    parser.add_argument("peers", nargs="*", metavar="PEER", help=", ".join(PEERS))
    chosen = parser.parse_args()
    rows = measure_all(chosen.peers or list(PEERS), chosen.measure or list(COUNTS), chosen.rounds)
    machine = (
        f"{platform.machine()}, {os.cpu_count()} CPUs, Linux {platform.release()}, Python {platform.python_version()},"
        f" SQLite {sqlite3.sqlite_version}; rounds in turn: {chosen.rounds}"
    )
    pages = [f"`scripts/bench --rounds {chosen.rounds}`: {machine}.\n"]
    text = "\n\n".join([*pages, *(table(measure, found) for measure, found in rows.items())])
    print(f"\n{text}")
    if chosen.into is not None:
        draw(rows, chosen.into)
        (chosen.into / "figures.md").write_text(text + "\n")


if __name__ == "__main__":
    main()
