"""What ``supervisor top`` shows: what was seen last, and what was chosen. Nothing here asks anybody."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from supervisor.cli.text import count, duration, mebibytes, plain
from supervisor.queue_stats import Figures, QueueStats
from supervisor.worker_records import WorkerRecord

SORTS = ("seat", "cpu", "memory", "elapsed")
_SPARKS = " ▁▂▃▄▅▆▇█"
_LOOKS = 60
_BAR = 10
_WIDE = 120


class View:
    """What a terminal shows; a Rich renderable."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.stats: QueueStats | None = None
        self.workers: list[WorkerRecord] = []
        self.paused: set[str] = set()
        self.sort = SORTS[0]
        self.note = ""
        self.stack = ""
        """Of the worker that was asked for it."""
        self.queue = "default"
        """The one that is chosen."""
        self._weights: dict[str, float] = {}
        self._pid = 0
        self._seen_at = 0.0
        self._lost = ""
        self._lost_for = 0.0
        self._executed: int | None = None
        self._rates: deque[float] = deque(maxlen=_LOOKS)

    # -- what is seen ------------------------------------------------------------------------------------------

    def see(self, stats: QueueStats, workers: list[WorkerRecord], queues: list[dict[str, Any]], now: float) -> None:
        """The supervisor has answered."""
        if self._executed is not None and now > self._seen_at:
            self._rates.append(max(0, stats.total.executed - self._executed) / (now - self._seen_at))
        self._executed, self._seen_at, self._lost = stats.total.executed, now, ""
        self.stats, self.workers = stats, workers
        self._weights = {row["name"]: row["weight"] for row in queues}
        self.paused = {row["name"] for row in queues if row["paused"]}

    def lost(self, why: str, now: float) -> None:
        """It has not: what is shown is what was seen before."""
        self._lost, self._lost_for = why, now - self._seen_at if self._seen_at else 0.0

    @property
    def sorted(self) -> list[WorkerRecord]:
        """The workers, in the order that was chosen."""
        keys = {
            "seat": lambda each: each.seat,
            "cpu": lambda each: -each.cpu_percent,
            "memory": lambda each: -each.rss,
            "elapsed": lambda each: -(each.elapsed or 0.0),
        }
        return sorted(self.workers, key=keys[self.sort])

    @property
    def chosen(self) -> WorkerRecord | None:
        """The worker that is chosen; the first one where that is gone."""
        rows = self.sorted
        return next((each for each in rows if each.pid == self._pid), rows[0] if rows else None)

    def choose(self, step: int) -> None:
        """Go on to the next worker, or back."""
        rows = [each.pid for each in self.sorted]
        if rows:
            at = rows.index(self.chosen.pid) if self.chosen is not None else 0
            self._pid = rows[(at + step) % len(rows)]

    def choose_queue(self) -> None:
        """Go on to the next queue."""
        names = sorted({"default", *self._weights})
        self.queue = names[(names.index(self.queue) + 1) % len(names)] if self.queue in names else names[0]

    # -- how it is shown ---------------------------------------------------------------------------------------

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._lost:
            since = f" (shown is what was seen {duration(self._lost_for)} ago)" if self.stats is not None else ""
            yield Text(f"{self._lost}{since}", "red")
        if self.stats is not None:
            yield from self._head(self.stats)
            yield self._worker_table(options.max_width)
            yield self._queue_table(self.stats)
        if self.stack:
            yield Text(self.stack)
        yield Text(self.note or "j k choose, s sort, x cancel, r recycle, d stack, tab queue, p pause, q quit", "dim")

    def _head(self, stats: QueueStats) -> Iterator[Text]:
        total = stats.total
        yield Text.assemble((self.directory, "bold"), f"  up {duration(stats.uptime)}")
        draining = "" if stats.accepting else ", takes nothing in"
        yield Text(
            f"{stats.busy} of {count(stats.workers, 'worker')} busy, {total.depth:,} wait, {total.delayed:,} delayed,"
            f" {total.failed:,} failed{draining}"
        )
        rate = self._rates[-1] if self._rates else total.throughput
        yield Text.assemble(f"{rate:,.1f} tasks/s ", (sparkline(list(self._rates)), "green"))

    def _worker_table(self, width: int) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("")
        for heading in ("pid", "cpu", "rss", "done"):
            marked = heading == self.sort or (heading == "rss" and self.sort == "memory")
            table.add_column(f"{heading}{'↓' if marked else ''}", justify="right", no_wrap=True)
        table.add_column("task", no_wrap=True, overflow="ellipsis", ratio=1)
        table.add_column(f"elapsed{'↓' if self.sort == 'elapsed' else ''}", justify="right", no_wrap=True)
        table.add_column("of its limits", no_wrap=True)
        table.expand = True
        if width >= _WIDE:
            table.add_column("id", no_wrap=True)
        chosen = self.chosen
        for each in self.sorted:
            cells = self._cells(each, width)
            if width >= _WIDE:
                cells.append(Text(each.task_id or ""))
            table.add_row(">" if each is chosen else "", *cells, style="bold" if each is chosen else "")
        return table

    @staticmethod
    def _cells(worker: WorkerRecord, width: int) -> list[Text]:
        name = worker.task_name or "idle"
        more = f" +{len(worker.tasks) - 1}" if len(worker.tasks) > 1 else ""
        return [
            Text(str(worker.pid)),
            Text(f"{worker.cpu_percent:.0f}%"),
            Text(mebibytes(worker.rss)),
            Text(f"{worker.tasks_done:,}"),
            Text(f"{name}{more}", "" if worker.tasks else "dim"),
            Text("" if worker.elapsed is None else duration(worker.elapsed)),
            bar(worker.elapsed, worker.limit, worker.soft_limit, short=width < _WIDE),
        ]

    def _queue_table(self, stats: QueueStats) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("")
        table.add_column("queue", no_wrap=True)
        for heading in ("depth", "oldest", "delayed", "running", "last minute"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("")
        for name in sorted({"default", *self._weights, *stats.queues}):
            own = stats.queues.get(name, Figures())
            oldest = "-" if own.oldest_age is None else duration(own.oldest_age)
            numbers = [f"{own.depth:,}", oldest, f"{own.delayed:,}", f"{own.running:,}", f"{own.last_minute:,}"]
            paused = Text("paused", "yellow") if name in self.paused else Text("")
            table.add_row(">" if name == self.queue else "", name, *numbers, paused)
        return table


def bar(elapsed: float | None, limit: float | None, soft: float | None = None, *, short: bool = False) -> Text:
    """How much of its time a task has used: green, from the half or its soft limit on yellow, of the last tenth red.

    The soft limit is a stroke in the bar, and once it has passed said in words as well: in the place of the hard one
    where the whole is to be ``short``.
    """
    if elapsed is None:
        return Text()
    past = soft is not None and elapsed >= soft
    if not limit:
        return Text.assemble("no limit", (", past soft" if past else "", "yellow"))
    part = min(1.0, elapsed / limit)
    style = "red" if part >= 0.9 else "yellow" if past or part >= 0.5 else "green"
    cells = _cells(part, style)
    if soft is not None and soft < limit:
        cells[int(soft / limit * _BAR)] = ("│", "yellow")
    if past and short:
        return Text.assemble(*cells, f" {part:4.0%} ", ("past soft", style))
    return Text.assemble(*cells, f" {part:4.0%} of {duration(limit)}", (", past soft" if past else "", style))


def _cells(part: float, style: str) -> list[tuple[str, str]]:
    full = round(part * _BAR)
    return [("█", style)] * full + [("░", "dim")] * (_BAR - full)


def sparkline(values: list[float]) -> str:
    """A line of bars as high as the values, the highest of which fills its place."""
    highest = max(values, default=0.0)
    if not highest:
        return "▁" * len(values)
    return "".join(_SPARKS[max(1, round(value / highest * (len(_SPARKS) - 1)))] for value in values)


def row_of(view: View) -> dict[str, object]:
    """One look, for programs."""
    return {
        "stats": plain(view.stats) if view.stats is not None else None,
        "workers": plain(view.workers),
        "paused": sorted(view.paused),
    }
