"""All commands together, and their exit codes.

0 for a good end, 1 for a refusal with a sentence on stderr, 2 for a command line that cannot be read. Never 3 or 4,
which Gunicorn up to 26.0 takes for its own workers' word.
"""

from __future__ import annotations

import click

from supervisor import __version__
from supervisor.cli.acts import cancel, clear, priority, retry, submit
from supervisor.cli.check import check
from supervisor.cli.completion import completion
from supervisor.cli.dead import dead
from supervisor.cli.doctor import doctor
from supervisor.cli.logs import logs
from supervisor.cli.queues import drain, pause, queues, resume, stats
from supervisor.cli.run import run
from supervisor.cli.schedules import schedules
from supervisor.cli.show import show
from supervisor.cli.status import status
from supervisor.cli.tasks import tasks
from supervisor.cli.top import top
from supervisor.cli.web import web
from supervisor.cli.workers import workers
from supervisor.errors import SupervisorError


class _Refusal(click.ClickException):
    exit_code = 1

    def show(self, file: object = None) -> None:
        for line in self.format_message().splitlines():
            click.echo(f"supervisor: {line}" if line else "", err=True)


class _Commands(click.Group):
    """Turns our errors, whichever command raises them, into a refusal."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except SupervisorError as error:
            raise _Refusal(str(error)) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gunicorn-supervisor")
def cli() -> None:
    """Background tasks for web applications, in processes that can really be killed."""


_TASKS = (submit, tasks, show, logs, cancel, retry, clear, priority, dead)
_QUEUES = (queues, pause, resume, schedules, stats, drain)
for command in (run, status, top, web, workers, check, doctor, completion, *_TASKS, *_QUEUES):
    cli.add_command(command)
