"""Command-line options, made from the settings themselves.

What is written is passed on as it is: the settings read, check and explain it, as they do from any other source.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import click

from supervisor.settings import Settings
from supervisor.settings.cpus import CpuList
from supervisor.settings.endpoint import Endpoint, PromFile
from supervisor.settings.kind import Choice, Duration, Maybe, Size, Switch, Whole
from supervisor.settings.place import Directory
from supervisor.settings.spec import Spec, specs

_METAVARS: dict[type, str] = {
    Duration: "TIME",
    Size: "SIZE",
    Whole: "N",
    CpuList: "CPUS",
    Directory: "DIR",
    Endpoint: "HOST:PORT",
    PromFile: "FILE",
}
MODULES = "tasks"
"""The setting that is given as arguments."""


class SettingOption(click.Option):
    """The option of one setting; ``group`` is its heading in the help."""

    def __init__(self, spec: Spec) -> None:
        switch = isinstance(spec.kind, Switch)
        declared = f"{spec.option}/--no-{spec.option[2:]}" if switch else spec.option
        default = spec.show(spec.default)
        super().__init__(
            [declared],
            default=None,
            type=click.BOOL if switch else click.STRING,
            metavar=None if switch else metavar(spec.kind),
            help=f"{spec.doc.replace('`', '')} [{default or 'none'}; {spec.env}]",
        )
        self.group = spec.group


class SettingsCommand(click.Command):
    """A command that takes every setting as an option, under the headings of the settings reference."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params += [SettingOption(spec) for name, spec in specs(Settings).items() if name != MODULES]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        records = [(option, option.get_help_record(ctx)) for option in options]
        for heading, members in groupby(records, key=lambda pair: getattr(pair[0], "group", "Options")):
            rows = [record for _, record in members if record is not None]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows, col_max=26)


def metavar(kind: object) -> str:
    """What stands for the value in the help."""
    if isinstance(kind, Maybe):
        return f"{metavar(kind.kind)}|{kind.word}"
    if isinstance(kind, Choice):
        return "|".join(kind.words)
    return _METAVARS.get(type(kind), "TEXT")


def chosen(modules: tuple[str, ...], options: dict[str, object]) -> dict[str, object]:
    """What the command line says, by the name of each setting."""
    return {MODULES: ",".join(modules) or None, **options}
