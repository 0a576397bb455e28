"""``supervisor tasks``: which tasks there are, and were."""

from __future__ import annotations

import time
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from supervisor.cli.reach import about_a_queue, history_of
from supervisor.cli.text import ago, console, duration, plain, print_json
from supervisor.journal.history import TaskLine, Wanted
from supervisor.settings.kind import Duration
from supervisor.states import State

WIDE = 100
ID_END = 12
STYLES = {
    State.RUNNING: "green",
    State.RETRYING: "yellow",
    State.FAILED: "red",
    State.TIMED_OUT: "red",
    State.LOST: "red",
    State.CANCELLED: "dim",
    State.EXPIRED: "dim",
}


class Span(click.ParamType[float]):
    """A duration as the settings take it, such as 90, 15m or 2h."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Its seconds."""
        try:
            return Duration().read(value)
        except (ValueError, TypeError):
            self.fail(f"{value!r} is no duration; write such as 90, 15m, 2h or 3d", param, ctx)


@click.command()
@click.option(
    "--state", "states", multiple=True, type=click.Choice([each.value for each in State]), help="Again for more."
)
@click.option("--name", default="", metavar="PATTERN", help='A name, or a pattern such as "shop.*".')
@click.option("--queue", default="", metavar="NAME", help="Of one named queue.")
@click.option("--since", type=Span(), metavar="TIME", help="Submitted in the last 15m, 2h, 3d.")
@click.option(
    "--before", default=0, metavar="SEQ", help="Those that came before the one with this number: the next page."
)
@click.option("-n", "--most", default=50, show_default=True, type=click.IntRange(1, 100_000), help="At most so many.")
@about_a_queue
def tasks(chosen: str | None, *, as_json: bool, **filters: Any) -> None:
    """List tasks, the latest first, whether a supervisor runs or not.

    Read from the journal. Short tasks that were handed out with others read as queued until they end.
    """
    now = time.time()
    wanted = _wanted(now, **filters)
    with history_of(chosen) as history:
        found = history.tasks(wanted)
    if as_json:
        print_json(plain(found))
        return
    if not found:
        click.echo("no task matches")
        return
    out = console()
    out.print(_table(found, now, whole=out.width >= WIDE))
    if len(found) == wanted.most:
        click.echo(f"There may be more: --before {found[-1].seq}")


def _wanted(now: float, *, states: tuple[str, ...], since: float | None, **filters: Any) -> Wanted:
    return Wanted(states=tuple(map(State, states)), since=now - since if since is not None else 0.0, **filters)


def task_table(*, whole: bool) -> Table:
    """A table whose rows begin with id, task and state.

    Where there is no room for ``whole`` ids their ends stand for them, which name a task as well.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("id", no_wrap=True, min_width=32 if whole else ID_END)
    table.add_column("task", overflow="ellipsis", no_wrap=True)
    table.add_column("state", no_wrap=True)
    return table


def _table(lines: list[TaskLine], now: float, *, whole: bool) -> Table:
    table = task_table(whole=whole)
    table.add_column("tries", justify="right", no_wrap=True)
    table.add_column("age", justify="right", no_wrap=True)
    table.add_column("ran", justify="right", no_wrap=True)
    for line in lines:
        table.add_row(
            line.id if whole else line.id[-ID_END:],
            line.name if line.queue == "default" else f"{line.name} ({line.queue})",
            Text(line.state, STYLES.get(line.state, "")),
            str(line.attempts + (line.state in (State.RUNNING, State.SUCCEEDED))),
            ago(line.created_at, now),
            _ran(line, now),
        )
    return table


def _ran(line: TaskLine, now: float) -> str:
    if line.started_at is None:
        return ago(line.due_at, now) if line.state is State.SCHEDULED else "-"
    return duration(
        max(0.0, (now if line.state is State.RUNNING else line.ended_at or line.started_at) - line.started_at)
    )
