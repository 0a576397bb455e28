"""``supervisor dead``: the tasks that ended failed, timed out or lost."""

from __future__ import annotations

import math
import time
from itertools import islice

import click
from rich.table import Table
from rich.text import Text

from supervisor.cli.reach import about_a_queue, history_of, queue_of
from supervisor.cli.show import show
from supervisor.cli.tasks import ID_END, STYLES, WIDE, Span, task_table
from supervisor.cli.text import ago, console, count, plain, print_json
from supervisor.core.retention import DEAD
from supervisor.errors import UnknownTaskError
from supervisor.records import TaskRecord

_GAP = 2
_LEAST_WHY = 16


@click.group()
def dead() -> None:
    """Dead letters: tasks that ended failed, timed out or lost."""


dead.add_command(show)


@dead.command("list")
@click.option("--name", default=None, metavar="PATTERN", help='A name, or a pattern such as "shop.*".')
@click.option("--since", type=Span(), metavar="TIME", help="Ended in the last 15m, 2h, 3d.")
@click.option("-n", "--most", default=50, show_default=True, type=click.IntRange(1, 100_000), help="At most so many.")
@about_a_queue
def list_dead(chosen: str | None, name: str | None, since: float | None, most: int, *, as_json: bool) -> None:
    """List dead letters, whether a supervisor runs or not."""
    now = time.time()
    with history_of(chosen) as history:
        first = -math.inf if since is None else now - since
        found = list(islice(history.dead(name or "", first), most))
    if as_json:
        print_json(plain(found))
    elif found:
        out = console()
        out.print(_table(found, now, width=out.width))
    else:
        click.echo("no dead letters")


def _table(records: list[TaskRecord], now: float, *, width: int) -> Table:
    """Where there is little room the reasons give way first, then the names; states and times never."""
    whole = width >= WIDE
    rows = [_cells(record, now, whole=whole) for record in records]
    states, times = (max(map(len, column)) for column in list(zip(*rows, strict=True))[2:4])
    names = max(len(record.name) for record in records)
    table = task_table(whole=whole)
    table.columns[2].min_width = states
    table.add_column("ended", justify="right", no_wrap=True, min_width=times)
    room = width - (32 if whole else ID_END) - names - states - times - 4 * _GAP
    table.add_column("why", overflow="ellipsis", no_wrap=True, max_width=max(_LEAST_WHY, room))
    for row, record in zip(rows, records, strict=True):
        table.add_row(*row[:2], Text(row[2], STYLES.get(record.state, "")), *row[3:])
    return table


def _cells(record: TaskRecord, now: float, *, whole: bool) -> tuple[str, ...]:
    why = str(record.error).splitlines()[0] if record.error is not None and str(record.error) else "-"
    task_id = record.id if whole else record.id[-ID_END:]
    return task_id, record.name, record.state.value, f"{ago(record.ended_at, now)} ago", why


@dead.command("retry")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--name", default=None, metavar="PATTERN", help="With --all: only those of a name.")
@about_a_queue
def retry_dead(ids: tuple[str, ...], chosen: str | None, name: str | None, *, everything: bool, as_json: bool) -> None:
    """Take up dead letters again, with all their retries anew."""
    whole = _meant(ids, chosen, everything=everything)
    with queue_of(chosen) as queue:
        number = sum(queue.retry(each) for each in whole) if ids else queue.retry_dead_letters(name=name)
    print_json({"count": number}) if as_json else click.echo(f"{count(number, 'task')} taken up again")


@dead.command("drop")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--name", default=None, metavar="PATTERN", help="With --all: only those of a name.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@about_a_queue
def drop_dead(
    ids: tuple[str, ...], chosen: str | None, name: str | None, *, everything: bool, yes: bool, as_json: bool
) -> None:
    """Delete dead letters for good."""
    whole = _meant(ids, chosen, everything=everything)
    of = f" of {name}" if name else ""
    if not yes:
        click.confirm(
            f"Delete {count(len(ids), 'dead letter') if ids else f'all dead letters{of}'} for good?",
            abort=True,
            err=True,
        )
    with queue_of(chosen) as queue:
        number = sum(queue.drop_dead_letter(each) for each in whole) if ids else queue.drop_dead_letters(name=name)
    print_json({"count": number}) if as_json else click.echo(f"{count(number, 'dead letter')} dropped")


def _meant(ids: tuple[str, ...], chosen: str | None, *, everything: bool) -> list[str]:
    """The whole ids. Raises UsageError unless some are named, or all are meant."""
    if bool(ids) == everything:
        raise click.UsageError("name the tasks, or say --all")
    with history_of(chosen) as history:
        whole = [history.find(each) for each in ids]
        for each in whole:
            if history.task(each).state not in DEAD:
                raise UnknownTaskError(each, "it is no dead letter; `supervisor show` tells what it is")
    return whole
