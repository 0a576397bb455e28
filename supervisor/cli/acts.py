"""What is done to tasks: submit, cancel, retry, clear, priority."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import click

from supervisor.cli.reach import about_a_queue, history_of, queue_of
from supervisor.cli.tasks import Span
from supervisor.cli.text import count, plain, print_json
from supervisor.records import TaskRecord
from supervisor.states import State
from supervisor.taskqueue import TaskQueue


@click.command()
@click.argument("name")
@click.option("--args", "written", default="{}", metavar="JSON", help='By name, such as \'{"to": "a@b.c"}\'.')
@click.option("--priority", default=None, metavar="N|NAME", help="Such as 5, or high.")
@click.option("--queue", "queue_name", default=None, metavar="NAME", help="The named queue that it waits in.")
@click.option("--delay", type=Span(), metavar="TIME", help="Not before 90, 15m, 2h.")
@click.option("--wait", is_flag=True, help="Until it has ended; the exit code is 1 unless it succeeded.")
@click.option("--timeout", type=Span(), metavar="TIME", help="Wait for at most so long.")
@about_a_queue
@click.pass_context
def submit(
    ctx: click.Context,
    /,
    name: str,
    chosen: str | None,
    *,
    wait: bool,
    timeout: float | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Submit the task or handler NAME, as the workers know it.

    A task takes the items of --args by name; a handler takes it as a whole. Printed is its id, with --wait its result.
    """
    with queue_of(chosen) as queue:
        task_id = _enqueue(queue, name, **options)
        if not wait:
            print_json({"id": task_id}) if as_json else click.echo(task_id)
            return
        record = queue.wait(task_id, timeout)
    _tell(record, as_json=as_json)
    ctx.exit(0 if record.state is State.SUCCEEDED else 1)


def _enqueue(
    queue: TaskQueue, name: str, *, written: str, priority: str | None, queue_name: str | None, delay: float | None
) -> str:
    options: dict[str, Any] = {}
    if priority is not None:
        options["priority"] = _priority(priority)
    if queue_name is not None:
        options["queue"] = queue_name
    try:
        data = json.loads(written)
    except ValueError as error:
        raise click.BadParameter(f"no JSON: {error}", param_hint="--args") from None
    try:
        return queue.enqueue(name, data, delay_seconds=delay or 0.0, **options)
    except TypeError as error:
        raise click.BadParameter(str(error), param_hint="--args") from None


def _priority(written: str) -> int | str:
    return int(written) if written.lstrip("-").isdigit() else written


def _tell(record: TaskRecord, *, as_json: bool) -> None:
    if as_json:
        print_json(plain(record))
        return
    click.echo(record.output, nl=False)
    if record.state is State.SUCCEEDED:
        click.echo(repr(record.result))
    else:
        click.echo(f"{record.id} ended {record.state}: {record.error}", err=True)


def _found(chosen: str | None, written: Iterable[str]) -> list[str]:
    """The whole ids. Asked of the journal; at durability off there is none, and they must be whole."""
    named = list(written)
    if all(len(each) >= 32 for each in named):
        return named
    with history_of(chosen) as history:
        return [history.find(each) for each in named]


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@about_a_queue
@click.pass_context
def cancel(ctx: click.Context, ids: tuple[str, ...], chosen: str | None, *, as_json: bool) -> None:
    """Cancel tasks: one that waits is removed, one that runs is stopped.

    The exit code is 1 when one of them had ended before.
    """
    whole = _found(chosen, ids)
    with queue_of(chosen) as queue:
        done = {task_id: queue.cancel(task_id) for task_id in whole}
    _report(ctx, done, "cancelled", "had ended before", as_json=as_json)


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all-failed", is_flag=True, help="Every dead letter: what ended failed, timed out or lost.")
@click.option("--name", default=None, metavar="PATTERN", help="With --all-failed: only those of a name.")
@about_a_queue
@click.pass_context
def retry(
    ctx: click.Context, ids: tuple[str, ...], chosen: str | None, name: str | None, *, all_failed: bool, as_json: bool
) -> None:
    """Take up tasks again that have ended, with all their retries anew.

    The exit code is 1 when one of them has not ended.
    """
    if bool(ids) == all_failed:
        raise click.UsageError("name the tasks, or say --all-failed", ctx)
    whole = _found(chosen, ids)
    with queue_of(chosen) as queue:
        if all_failed:
            _number(queue.retry_dead_letters(name=name), "task", "taken up again", as_json=as_json)
            return
        done = {task_id: queue.retry(task_id) for task_id in whole}
    _report(ctx, done, "taken up again", "has not ended", as_json=as_json)


def _report(ctx: click.Context, done: dict[str, bool], yes: str, no: str, *, as_json: bool) -> None:
    if as_json:
        print_json(done)
    else:
        for task_id, good in done.items():
            click.echo(f"{task_id} {yes if good else no}", err=not good)
    ctx.exit(0 if all(done.values()) else 1)


def _number(number: int, noun: str, what: str, *, as_json: bool) -> None:
    print_json({"count": number}) if as_json else click.echo(f"{count(number, noun)} {what}")


@click.command()
@click.option("--queue", "queue_name", default=None, metavar="NAME", help="Only those of a named queue.")
@click.option("--name", default=None, metavar="PATTERN", help='Only those of a name, or a pattern such as "shop.*".')
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@about_a_queue
def clear(chosen: str | None, queue_name: str | None, name: str | None, *, yes: bool, as_json: bool) -> None:
    """Cancel all tasks that wait. What runs is left alone."""
    with queue_of(chosen) as queue:
        if not yes:
            click.confirm(f"Cancel {_whom(queue, queue_name, name)}?", abort=True, err=True)
        _number(queue.clear(name=name, queue=queue_name), "task", "cancelled", as_json=as_json)


def _whom(queue: TaskQueue, queue_name: str | None, name: str | None) -> str:
    stats = queue.stats()
    figures = stats.total if queue_name is None else stats.queues.get(queue_name)
    waiting = figures.depth + figures.delayed if figures is not None else 0
    of = f" of the queue {queue_name}" if queue_name is not None else ""
    called = f" those called {name} among" if name is not None else ""
    return f"{called.strip() + ' ' if called else ''}{count(waiting, 'task')}{of} that wait"


@click.command()
@click.argument("task_id", metavar="ID")
@click.argument("number", metavar="N|NAME")
@about_a_queue
@click.pass_context
def priority(ctx: click.Context, task_id: str, number: str, chosen: str | None, *, as_json: bool) -> None:
    """Change the priority of a task that waits: a number, higher runs first, or a name such as high.

    The exit code is 1 when it does not wait any more.
    """
    (whole,) = _found(chosen, [task_id])
    with queue_of(chosen) as queue:
        done = queue.set_priority(whole, _priority(number))
    _report(ctx, {whole: done}, f"has priority {number}", "does not wait any more", as_json=as_json)
