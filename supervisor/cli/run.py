"""``supervisor run``: the supervisor on its own."""

from __future__ import annotations

import click

from supervisor.cli.options import SettingsCommand, chosen
from supervisor.errors import SettingsError
from supervisor.log import configure, log
from supervisor.settings import Settings
from supervisor.standalone import run as run_alone


@click.command(cls=SettingsCommand)
@click.argument("modules", nargs=-1, metavar="MODULE...")
def run(modules: tuple[str, ...], **options: object) -> None:
    """Run the tasks of each MODULE, until TERM or INT.

    Then what runs may end within the grace time, and the rest is put back in the queue; a second TERM or INT ends
    at once. HUP imports the tasks' code anew. What is not given here is taken from SUPERVISOR_* variables, then from
    [tool.supervisor] of ./pyproject.toml.
    """
    loaded = Settings.load(command_line=chosen(modules, options))
    if not loaded.settings.worker_count:
        raise SettingsError(
            [f"workers = 0 ({loaded.sources['workers']}) leaves nothing to run: `supervisor run` needs at least 1"]
        )
    configure("run", loaded.settings.log_level)
    for warning in loaded.warnings:
        log.warning("%s", warning)
    title = loaded.settings.tasks[0].partition(".")[0] if loaded.settings.tasks else "supervisor"
    run_alone(loaded.settings, title)
