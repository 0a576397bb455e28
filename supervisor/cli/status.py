"""``supervisor status``: who runs, on which CPUs, at what, and what is queued."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict

import click
from rich.table import Table
from rich.text import Text

from supervisor.cli.place import find
from supervisor.cli.snapshot import NotRunningError, ProcessRow, Snapshot, take
from supervisor.cli.text import console, count, duration, mebibytes, print_json

_STYLES = {"busy": "green", "stopped": "red", "away": "red", "starting": "yellow", "importing": "yellow"}


@click.command()
@click.option("--dir", "chosen", metavar="DIR", help="The supervisor's directory. [.supervisor; SUPERVISOR_DIR]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def status(ctx: click.Context, chosen: str | None, as_json: bool) -> None:
    """Show who runs and what is queued.

    The exit code is 0 when a supervisor runs, and 1 when none does.
    """
    directory = find(chosen)
    try:
        snapshot = take(directory)
    except NotRunningError as error:
        if not as_json:
            raise
        print_json({"running": False, "directory": str(directory), "reason": str(error)})
        ctx.exit(1)
    if as_json:
        print_json(asdict(snapshot))
    else:
        _show(snapshot)


def _show(snapshot: Snapshot) -> None:
    out = console()
    for line in _head(snapshot):
        out.print(line, soft_wrap=False)
    out.print(_table(snapshot.processes))
    for line in _foot(snapshot):
        out.print(line, soft_wrap=False)


def _head(snapshot: Snapshot) -> Iterator[Text]:
    yield Text.assemble((snapshot.title, "bold"), " in ", snapshot.directory)
    draining = ", draining" if snapshot.draining else ""
    yield Text(
        f"up {duration(snapshot.uptime)}, {snapshot.ready} of {count(snapshot.wanted, 'worker')} ready,"
        f" code generation {snapshot.generation}{draining}"
    )


def _table(rows: list[ProcessRow]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("process", no_wrap=True)
    table.add_column("pid", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("cpu", justify="right", no_wrap=True)
    table.add_column("rss", justify="right", no_wrap=True)
    table.add_column("cpus", overflow="fold", max_width=12)
    table.add_column("task", overflow="fold")
    table.add_column("elapsed", justify="right", no_wrap=True)
    table.add_column("left", justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: ProcessRow) -> Iterator[Text | str]:
    usage = row.usage
    yield row.role if row.seat is None or row.role == "spare" else f"{row.role} {row.seat}"
    yield str(row.pid or "-")
    yield Text(row.state, _STYLES.get(row.state, ""))
    yield f"{usage.cpu_percent:.0f}%" if usage else "-"
    yield mebibytes(usage.rss if usage else None)
    yield usage.cpus if usage else "-"
    yield (row.task or "") + (f" +{row.more}" if row.more else "")
    yield "" if row.elapsed is None else duration(row.elapsed)
    yield "" if row.left is None else duration(max(0.0, row.left))


def _foot(snapshot: Snapshot) -> Iterator[Text]:
    queue = snapshot.queue
    if queue:
        unfinished = _numbers(queue["unfinished"]) or "empty"
        yield Text(f"queue: {unfinished} (limit {queue['limit']:,}, durability {queue['durability']})")
        if not queue["accepting"]:
            yield Text(
                "the queue is drained: it takes nothing in and hands nothing out; `supervisor drain --open` goes on",
                "yellow",
            )
        yield Text(f"ended so far: {_numbers(queue['ended']) or 'none'}")
    else:
        yield Text(f"queue: {snapshot.queue_error}", "red")
    if snapshot.broker_restarts:
        yield Text(f"the broker was restarted {count(snapshot.broker_restarts, 'time')}", "yellow")
    if snapshot.deaths:
        yield Text(f"workers that died: {_numbers(snapshot.deaths)}")
    if snapshot.recycled:
        yield Text(f"workers that were replaced: {_numbers(snapshot.recycled)}")
    for obstacle in snapshot.obstacles:
        yield Text(f"each worker imports the application for itself: {obstacle}", "yellow")
    if snapshot.import_error:
        # Workers that are ready have the code of before, whatever number it serves under by now.
        new, goes_on = (" new", ", and the old goes on") if snapshot.ready else ("", "")
        yield Text(f"the tasks'{new} code cannot be imported{goes_on}:\n{snapshot.import_error}", "red")


def _numbers(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in sorted(numbers.items()))
