"""``supervisor drain``: the end of what runs, waited for, before the machine or the application is worked on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from threading import Thread

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from supervisor.cli.reach import about_a_queue, queue_of
from supervisor.cli.tasks import Span
from supervisor.cli.text import console, count, print_json
from supervisor.errors import QueueUnavailableError
from supervisor.taskqueue import TaskQueue

_LOOK_SECONDS = 0.2


@click.command()
@click.option(
    "--timeout", type=Span(), default="30", show_default=True, metavar="TIME", help="What runs then is stopped."
)
@click.option("--open", "reopen", is_flag=True, help="Take tasks in again, and go on with those that wait.")
@about_a_queue
def drain(chosen: str | None, timeout: float, *, reopen: bool, as_json: bool) -> None:
    """Take nothing in any more, and wait for what runs; what waits stays, through restarts too, until --open."""
    with queue_of(chosen) as queue:
        if reopen:
            queue.open()
            stopped: list[str] = []
            said = "open"
        else:
            stopped = _drain(queue, timeout, quiet=as_json)
            said = (
                f"drained; {count(len(stopped), 'task')} had to be stopped and will run again" if stopped else "drained"
            )
    if as_json:
        print_json({"open": reopen, "stopped": stopped})
    else:
        click.echo(said)


def _drain(queue: TaskQueue, timeout: float, *, quiet: bool) -> list[str]:
    """The ids of what had to be stopped; meanwhile a bar of what has ended."""
    most = max(1, queue.active_count())
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed} of {task.total}"),
        TimeRemainingColumn(),
    )
    ending: Future[list[str]] = Future()
    # A daemon, since who interrupts this does not want to wait for the drain, which goes on without him.
    Thread(target=_fulfil, args=(ending, partial(queue.drain, timeout)), daemon=True).start()
    with Progress(*columns, console=console(), disable=quiet) as progress:
        shown = progress.add_task("ended", total=most)
        while not wait([ending], _LOOK_SECONDS).done:
            with suppress(QueueUnavailableError):
                progress.update(shown, completed=most - min(most, queue.active_count()))
        progress.update(shown, completed=most)
    return ending.result()


def _fulfil(ending: Future[list[str]], work: Callable[[], list[str]]) -> None:
    try:
        ending.set_result(work())
    except BaseException as error:  # noqa: BLE001  raised again by the one who waits
        ending.set_exception(error)
