"""``supervisor queues``, ``pause``, ``resume`` and ``stats``."""

from __future__ import annotations

import click
from rich.table import Table
from rich.text import Text

from supervisor.cli.reach import about_a_queue, history_of, queue_of
from supervisor.cli.text import console, count, duration, plain, print_json
from supervisor.errors import QueueUnavailableError
from supervisor.queue_stats import Figures, QueueStats


@click.command()
@about_a_queue
def queues(chosen: str | None, *, as_json: bool) -> None:
    """List the named queues: depth, oldest age, weight, and which are paused."""
    with queue_of(chosen) as queue:
        rows, stats = queue.queues(), queue.stats()
    figures = {name: stats.queues.get(name, Figures()) for name in (row["name"] for row in rows)}
    if as_json:
        print_json([{**row, "figures": plain(figures[row["name"]])} for row in rows])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("queue", no_wrap=True)
    for heading in ("weight", "depth", "oldest", "delayed", "running", "last minute", "failed"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in rows:
        own = figures[row["name"]]
        oldest = "-" if own.oldest_age is None else duration(own.oldest_age)
        numbers = [f"{own.depth:,}", oldest, f"{own.delayed:,}", f"{own.running:,}", f"{own.last_minute:,}"]
        paused = Text("paused", "yellow") if row["paused"] else ""
        table.add_row(row["name"], f"{row['weight']:g}", *numbers, f"{own.failed:,}", paused)
    console().print(table)


@click.command()
@click.argument("name", default="default")
@about_a_queue
def pause(name: str, chosen: str | None, *, as_json: bool) -> None:
    """Hand out nothing more of a named queue; what runs runs on. Restarts included."""
    with queue_of(chosen) as queue:
        known = name == "default" or any(row["name"] == name for row in queue.queues())
        queue.pause(name)
    new = "" if known else "; no task of it was seen yet"
    print_json({"queue": name, "paused": True}) if as_json else click.echo(f"the queue {name} is paused{new}")


@click.command()
@click.argument("name", default="default")
@about_a_queue
def resume(name: str, chosen: str | None, *, as_json: bool) -> None:
    """Hand out the tasks of a named queue again."""
    with queue_of(chosen) as queue:
        queue.resume(name)
    print_json({"queue": name, "paused": False}) if as_json else click.echo(f"the queue {name} goes on")


@click.command()
@about_a_queue
def stats(chosen: str | None, *, as_json: bool) -> None:
    """Print the queue's numbers; of a supervisor that is stopped, how many tasks there are in each state."""
    with queue_of(chosen) as queue:
        try:
            found = queue.stats()
        except QueueUnavailableError:
            _print_counts(chosen, as_json=as_json)
            return
    if as_json:
        print_json(plain(found))
    else:
        _print_stats(found)


def _print_counts(chosen: str | None, *, as_json: bool) -> None:
    with history_of(chosen) as history:
        counts = history.counts()
    if as_json:
        print_json({"running": False, "states": counts})
        return
    click.echo("no supervisor runs; the journal holds:")
    for state, number in sorted(counts.items()):
        click.echo(f"  {number:,} {state}")


def _print_stats(found: QueueStats) -> None:
    total = found.total
    out = console()
    out.print(
        f"{total.depth:,} wait, {total.delayed:,} delayed, {total.running:,} run on {found.busy} of"
        f" {count(found.workers, 'worker')}; {total.throughput:.1f}/s in the last minute, {total.error_rate:.1%} failed"
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("task", overflow="ellipsis", no_wrap=True)
    for heading in ("depth", "runs", "ok", "failed", "wait p50", "p95", "run p50", "p95"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, own in sorted(found.tasks.items()):
        times = [own.wait.p50, own.wait.p95, own.run.p50, own.run.p95]
        shown = ["-" if each is None else duration(each) for each in times]
        table.add_row(name, f"{own.depth:,}", f"{own.running:,}", f"{own.succeeded:,}", f"{own.failed:,}", *shown)
    out.print(table)
