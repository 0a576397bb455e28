"""``supervisor schedules``: what runs by the clock."""

from __future__ import annotations

import time

import click
from rich.table import Table
from rich.text import Text

from supervisor.cli.reach import about_a_queue, queue_of
from supervisor.cli.tasks import WIDE
from supervisor.cli.text import ago, console, duration, plain, print_json
from supervisor.records import ScheduleRecord


@click.group()
def schedules() -> None:
    """What runs by the clock: list, pause, resume, run now."""


@schedules.command("list")
@about_a_queue
def list_schedules(chosen: str | None, *, as_json: bool) -> None:
    """List the schedules, with their next and their last run, and how many slots each has missed."""
    with queue_of(chosen) as queue:
        found = queue.schedules()
    if as_json:
        print_json(plain(found))
        return
    if not found:
        click.echo("no schedules")
        return
    out = console()
    out.print(_table(found, time.time(), wide=out.width >= WIDE))


def _table(found: list[ScheduleRecord], now: float, *, wide: bool) -> Table:
    """Where there is little room the last task is left out, and a zone stands with its expression."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("schedule", "task", "when"):
        table.add_column(heading, overflow="ellipsis" if wide else "fold")
    for heading in ("zone", "next", "last", "missed", "last task") if wide else ("next", "last", "missed"):
        table.add_column(heading, overflow="ellipsis", no_wrap=True)
    for each in found:
        when = each.cron or f"every {duration(each.every or 0.0)}"
        due = Text("paused", "yellow") if each.paused else Text(ago(each.next_at, now))
        last = f"{ago(each.last_at, now)} ago" if each.last_at is not None else "-"
        if wide:
            table.add_row(each.name, each.task, when, each.zone, due, last, _missed(each), Text(each.last_task or "-"))
        else:
            zoned = f"{when} {each.zone}" if each.cron and each.zone != "UTC" else when
            table.add_row(each.name, each.task, zoned, due, last, _missed(each))
    return table


def _missed(schedule: ScheduleRecord) -> Text:
    if not schedule.missed:
        return Text("-")
    return Text(f"{schedule.missed:,}{'+' * schedule.missed_at_least}", "yellow")


@schedules.command("pause")
@click.argument("name")
@about_a_queue
def pause_schedule(name: str, chosen: str | None, *, as_json: bool) -> None:
    """Have a schedule fire no more, restarts and new code included."""
    with queue_of(chosen) as queue:
        queue.pause_schedule(name)
    print_json({"schedule": name, "paused": True}) if as_json else click.echo(f"the schedule {name} is paused")


@schedules.command("resume")
@click.argument("name")
@about_a_queue
def resume_schedule(name: str, chosen: str | None, *, as_json: bool) -> None:
    """Have a schedule fire again, from now on."""
    with queue_of(chosen) as queue:
        queue.resume_schedule(name)
    print_json({"schedule": name, "paused": False}) if as_json else click.echo(f"the schedule {name} goes on")


@schedules.command("run")
@click.argument("name")
@about_a_queue
def run_schedule(name: str, chosen: str | None, *, as_json: bool) -> None:
    """Submit the task of a schedule now, also of one that is paused; its id."""
    with queue_of(chosen) as queue:
        task_id = queue.run_schedule(name)
    print_json({"id": task_id}) if as_json else click.echo(task_id)
