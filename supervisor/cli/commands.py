"""All commands together, and their exit codes.

0 for a good end, 1 for a refusal with a sentence on stderr, 2 for a command line that cannot be read. Never 3 or 4,
which Gunicorn up to 26.0 takes for its own workers' word.
"""

from __future__ import annotations

from importlib import import_module

import click

from supervisor import __version__
from supervisor.errors import SupervisorError

_MODULES = {
    "acts": ("submit", "cancel", "retry", "clear", "priority"),
    "queues": ("queues", "pause", "resume", "stats"),
    **{
        name: (name,)
        for name in (
            *("run", "status", "top", "workers", "check", "doctor", "metrics", "completion", "drain", "web"),
            *("tasks", "show", "logs", "dead", "schedules"),
        )
    },
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names}
"""The module that holds each command: it is imported when the command is wanted, since all of them take a while."""


class _Refusal(click.ClickException):
    exit_code = 1

    def show(self, file: object = None) -> None:
        for line in self.format_message().splitlines():
            click.echo(f"supervisor: {line}" if line else "", err=True)


class _Commands(click.Group):
    """Finds the commands, and turns our errors, whichever of them raises them, into a refusal."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_PLACES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _PLACES:
            return None
        found: click.Command = getattr(import_module(f"supervisor.cli.{_PLACES[cmd_name]}"), cmd_name)
        return found

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except SupervisorError as error:
            raise _Refusal(str(error)) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gunicorn-supervisor")
def cli() -> None:
    """Background tasks for web applications, in processes that can really be killed."""
