"""``supervisor logs``: what a task printed and logged, and what it says from now on."""

from __future__ import annotations

from collections.abc import Iterable

import click

from supervisor.cli.reach import about_a_queue, history_of, queue_of
from supervisor.cli.show import text_of
from supervisor.cli.text import moment, plain, print_json_line
from supervisor.client.following import lines_of
from supervisor.records import LogLine


@click.command()
@click.argument("task_id", metavar="ID")
@click.option("-f", "--follow", is_flag=True, help="Go on as it says more, until it has ended.")
@click.option("--attempt", type=click.IntRange(0), metavar="N", help="Of one attempt only.")
@click.option("--times", is_flag=True, help="When each line was said.")
@about_a_queue
def logs(task_id: str, chosen: str | None, *, follow: bool, attempt: int | None, times: bool, as_json: bool) -> None:
    """Print what a task has printed and logged; with --json an object a line."""
    with history_of(chosen) as history:
        found = history.find(task_id)
        if not follow:
            _print(lines_of(found, history.said(found), attempt), times=times, as_json=as_json)
            return
    with queue_of(chosen) as queue:
        _print(queue.follow(found, attempt), times=times, as_json=as_json)


def _print(lines: Iterable[LogLine], *, times: bool, as_json: bool) -> None:
    for line in lines:
        if as_json:
            print_json_line(plain(line))
        else:
            click.echo(f"{moment(line.at)}  {text_of(line)}" if times else text_of(line))
