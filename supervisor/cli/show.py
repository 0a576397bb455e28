"""``supervisor show``: all that is known of one task."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import click
from rich.console import Console
from rich.text import Text

from supervisor.cli import held_up
from supervisor.cli.reach import about_a_queue, history_of
from supervisor.cli.tasks import STYLES
from supervisor.cli.text import ago, console, duration, moment, plain, print_json
from supervisor.client.following import lines_of
from supervisor.records import AttemptRecord, LogLine, TaskRecord
from supervisor.states import State

_TAIL = 20


@click.command()
@click.argument("task_id", metavar="ID")
@about_a_queue
def show(task_id: str, chosen: str | None, *, as_json: bool) -> None:
    """Show all that is known of a task, whether a supervisor runs or not.

    ID may be the beginning or the end of one, as long as no other has it.
    """
    with history_of(chosen) as history:
        found = history.find(task_id)
        record, attempts = history.task(found), history.attempts(found)
        lines = list(lines_of(found, history.said(found)))
    if as_json:
        waits = {"held_up": held_up.reasons(chosen, record)}
        print_json({"task": plain(record), "attempts": plain(attempts), "logs": plain(lines), **waits})
        return
    out = console()
    for line in _head(record):
        out.print(line, soft_wrap=True)
    for sentence in held_up.reasons(chosen, record):
        out.print(Text(f"waits: {sentence}", "yellow"), soft_wrap=True)
    out.print(Text("timeline", "bold"))
    for line in _timeline(record, attempts):
        out.print(line, soft_wrap=True)
    _print_error(out, record)
    _print_logs(out, lines, record.id)


def _head(record: TaskRecord) -> Iterator[Text]:
    state = Text(record.state, STYLES.get(record.state, ""))
    yield Text.assemble((record.name, "bold"), "  ", state, f"  {record.id}")
    facts = [f"queue {record.queue}", f"priority {record.priority}", f"attempt {record.attempt}"]
    if record.timeout is not None:
        facts.append(f"limit {duration(record.timeout)}")
    if record.soft_timeout is not None:
        facts.append(f"soft limit {duration(record.soft_timeout)}")
    if record.worker is not None:
        facts.append(f"process {record.worker}")
    if record.retried:
        facts.append("taken up again" if record.retried == 1 else f"taken up again {record.retried} times")
    yield Text(", ".join(facts))
    if record.parents:
        yield Text(
            f"waits for {', '.join(record.parents)}" if not record.state.ended else f"after {', '.join(record.parents)}"
        )
    progress = record.progress
    if progress is not None:
        of = f" of {progress.total:g}" if progress.total is not None else ""
        percent = f" ({progress.percent:.0f} %)" if progress.percent is not None else ""
        left = f", {duration(progress.remaining)} left" if progress.remaining and not record.state.ended else ""
        message = f" {progress.message}" if progress.message else ""
        yield Text(f"progress: {progress.done:g}{of}{percent}{message}{left}")
    if record.context:
        yield Text(f"context: {json.dumps(record.context, default=str)}")


def _timeline(record: TaskRecord, attempts: list[AttemptRecord]) -> Iterator[Text]:
    yield Text(f"  {moment(record.created_at)}  submitted")
    for attempt in attempts:
        if attempt.number:
            yield Text(f"  {moment(attempt.started_at)}  attempt {attempt.number} in process {attempt.worker or '-'}")
        yield _end_of(attempt)
    if record.state is State.RUNNING and record.started_at is not None:
        yield Text(f"  {moment(record.started_at)}  attempt {record.attempt} in process {record.worker}: runs")
    if record.state in (State.SCHEDULED, State.RETRYING) and record.due_at is not None:
        yield Text(f"  {moment(record.due_at)}  due, {ago(record.due_at, time.time())}")
    if record.ended_at is not None:
        style = STYLES.get(record.state, "")
        yield Text.assemble(f"  {moment(record.ended_at)}  ", (record.state, style), f", {_whole(record)}")


def _end_of(attempt: AttemptRecord) -> Text:
    spent = duration(max(0.0, attempt.ended_at - attempt.started_at))
    if attempt.cause is None:
        return Text(f"  {moment(attempt.ended_at)}    returned after {spent}")
    said = f": {attempt.error}".splitlines()[0] if attempt.error is not None else ""
    return Text.assemble(f"  {moment(attempt.ended_at)}    ", (f"{attempt.cause}", "red"), f" after {spent}{said}")


def _whole(record: TaskRecord) -> str:
    return f"{duration(max(0.0, (record.ended_at or 0.0) - record.created_at))} after its submit"


def _print_error(out: Console, record: TaskRecord) -> None:
    error = record.error
    if error is None:
        return
    for title, text in (("traceback", error.traceback), ("stack when it was killed", error.stack or "")):
        if text.strip():
            out.print(Text(title, "bold"))
            out.print(Text(text.rstrip()), soft_wrap=True)


def _print_logs(out: Console, lines: list[LogLine], task_id: str) -> None:
    if not lines:
        return
    more = len(lines) - _TAIL
    out.print(
        Text(
            f"what it said (the last {_TAIL} lines; all: supervisor logs {task_id})" if more > 0 else "what it said",
            "bold",
        )
    )
    for line in lines[-_TAIL:]:
        out.print(Text(f"  {text_of(line)}"), soft_wrap=True)


def text_of(line: LogLine) -> str:
    """A line, with its level and logger where it was logged."""
    prefix = f"{line.level.upper()} {line.logger}: " if line.stream == "log" else ""
    return f"{prefix}{line.message}"
