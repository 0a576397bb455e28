"""``supervisor workers``: who works, and having them replaced, more, fewer, or say where they are."""

from __future__ import annotations

import click
from rich.table import Table
from rich.text import Text

from supervisor.cli import master
from supervisor.cli.place import find
from supervisor.cli.reach import about_a_queue, queue_of
from supervisor.cli.text import console, count, duration, mebibytes, plain, print_json


@click.group()
def workers() -> None:
    """Workers: list, recycle, scale, stack."""


@workers.command("list")
@about_a_queue
def list_workers(chosen: str | None, *, as_json: bool) -> None:
    """List the workers, what they run, and why the one before died."""
    with queue_of(chosen) as queue:
        found = queue.workers()
    if as_json:
        print_json(plain(found))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("seat", "pid", "done", "cpu", "rss"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("task", overflow="ellipsis", no_wrap=True)
    table.add_column("elapsed", justify="right", no_wrap=True)
    table.add_column("limit", justify="right", no_wrap=True)
    table.add_column("died before", no_wrap=True)
    for each in found:
        elapsed = "-" if each.elapsed is None else duration(each.elapsed)
        limits = [duration(each.limit)] if each.limit is not None else []
        limits += [f"soft {duration(each.soft_limit)}"] if each.soft_limit is not None else []
        usage = [f"{each.cpu_percent:.0f}%", mebibytes(each.rss)]
        died = Text(each.last_death or "-", "yellow" if each.last_death else "")
        table.add_row(
            str(each.seat),
            str(each.pid),
            f"{each.tasks_done:,}",
            *usage,
            each.task_name or "-",
            elapsed,
            ", ".join(limits) or "-",
            died,
        )
    console().print(table)


@workers.command("recycle")
@click.argument("pid", type=int, required=False)
@click.option("--all", "everyone", is_flag=True, help="One after the other.")
@about_a_queue
@click.pass_context
def recycle_worker(ctx: click.Context, pid: int | None, chosen: str | None, *, everyone: bool, as_json: bool) -> None:
    """Replace the worker PID after its task, the new one ready first."""
    if (pid is None) != everyone:
        raise click.UsageError("name a worker by its pid, or say --all", ctx)
    asked = master.recycle(find(chosen), pid or 0)
    print_json({"asked": asked}) if as_json else click.echo(f"{count(len(asked), 'worker')} will be replaced")


@workers.command("scale")
@click.argument("number", type=click.IntRange(1))
@about_a_queue
def scale_workers(number: int, chosen: str | None, *, as_json: bool) -> None:
    """Have so many workers, at once and across restarts; TaskQueue.configure(reset=["workers"]) takes it back."""
    with queue_of(chosen) as queue:
        queue.configure(workers=number)
    print_json({"workers": number}) if as_json else click.echo(f"{count(number, 'worker')} from now on")


@workers.command("stack")
@click.argument("pid", type=int)
@about_a_queue
def show_stack(pid: int, chosen: str | None, *, as_json: bool) -> None:
    """Print where a worker is, without stopping it.

    It is asked by a signal, which may have a call of C code that sleeps return early.
    """
    found = master.stack(find(chosen), pid)
    print_json({"pid": pid, "stack": found}) if as_json else click.echo(found)
