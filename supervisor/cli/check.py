"""``supervisor check``: whether a supervisor would run here, and run safely."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict

import click
from rich.table import Table
from rich.text import Text

from supervisor.cli.checks import clash, files, filesystem, journal, modules
from supervisor.cli.checks.deployment import Deployment
from supervisor.cli.checks.finding import Finding, Verdict, fault, ok, warning
from supervisor.cli.options import SettingsCommand, chosen
from supervisor.cli.text import console, count, print_json
from supervisor.directory import Directory
from supervisor.errors import SettingsError, UnreadableFileError
from supervisor.settings import Loaded
from supervisor.settings.source import DEFAULT
from supervisor.settings.spec import specs

_STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAULT: "bold red"}


@click.command(cls=SettingsCommand)
@click.argument("modules", nargs=-1, metavar="[MODULE]...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with every setting and its source.")
@click.option("--gunicorn", "config", metavar="FILE", help="Gunicorn's config file, with the settings of its attach.")
@click.option("--unit", metavar="UNIT", help="The systemd unit: its name, or its file.")
@click.option("--all", "all_settings", is_flag=True, help="List the settings that have their defaults, too.")
@click.pass_context
def check(
    ctx: click.Context,
    /,
    modules: tuple[str, ...],
    *,
    as_json: bool,
    all_settings: bool,
    config: str | None,
    unit: str | None,
    **options: object,
) -> None:
    """Look whether a supervisor would run here: settings, imports, permissions, journal.

    Takes the same arguments as `supervisor run`, and starts nothing that stays. With --gunicorn it runs that file as
    `gunicorn --check-config` does; with --unit it looks whether the times of a stop fit together. The exit code is 0
    when nothing is wrong (warnings are allowed), and 1 for any fault.
    """
    loaded: Loaded | None = None
    try:
        deployment = Deployment.read(config, unit)
        loaded = deployment.settings(chosen(modules, options))
        findings = list(_look(loaded, deployment))
    except SettingsError as error:
        findings = [fault("settings", each) for each in error.faults] + list(clash.check())
    except UnreadableFileError as error:
        findings = [fault("deployment", str(error))]
    if as_json:
        print_json(_as_object(loaded, findings))
    else:
        _show(loaded, findings, all_settings=all_settings)
    ctx.exit(int(_count(findings, Verdict.FAULT) > 0))


def _look(loaded: Loaded, deployment: Deployment) -> Iterator[Finding]:
    settings = loaded.settings
    directory = Directory(settings.dir)
    own = sum(origin != DEFAULT for origin in loaded.sources.values())
    yield ok("settings", f"{count(len(loaded.sources), 'setting')}, {own} of them not the default")
    for sentence in loaded.warnings:
        yield warning("settings", sentence)
    yield from clash.check()
    yield from deployment.check(settings)
    yield from modules.check(settings, os.getcwd() if deployment.gunicorn is None else str(deployment.gunicorn.home))
    yield from filesystem.check(directory, durable=settings.durability != "off")
    yield from files.check(directory)
    yield from journal.check(directory.journal)


def _count(findings: list[Finding], verdict: Verdict) -> int:
    return sum(finding.verdict is verdict for finding in findings)


def _as_object(loaded: Loaded | None, findings: list[Finding]) -> dict[str, object]:
    faults = _count(findings, Verdict.FAULT)
    plain = loaded.settings.to_json() if loaded else {}
    sources = loaded.sources if loaded else {}
    return {
        "ok": faults == 0,
        "faults": faults,
        "warnings": _count(findings, Verdict.WARNING),
        "findings": [asdict(finding) for finding in findings],
        "settings": {name: {"value": value, "source": sources[name]} for name, value in plain.items()},
    }


def _show(loaded: Loaded | None, findings: list[Finding], *, all_settings: bool) -> None:
    out = console()
    if loaded is not None:
        out.print(_settings_table(loaded, all_settings=all_settings))
        out.print()
    out.print(_findings_table(findings))
    faults, warnings = _count(findings, Verdict.FAULT), _count(findings, Verdict.WARNING)
    out.print()
    out.print(Text(f"{count(faults, 'fault')}, {count(warnings, 'warning')}", "bold red" if faults else "bold"))


def _settings_table(loaded: Loaded, *, all_settings: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("setting", "value", "from"):
        table.add_column(name, overflow="fold")
    for name, spec in specs(loaded.settings).items():
        source = loaded.sources[name]
        if all_settings or source != DEFAULT or name in ("dir", "workers", "durability"):
            shown = spec.show(getattr(loaded.settings, name))
            if name == "workers" and loaded.settings.workers is None:
                shown = f"{shown} ({loaded.settings.worker_count})"
            table.add_row(name, Text(shown), Text(source))
    return table


def _findings_table(findings: list[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        style = _STYLES[finding.verdict]
        table.add_row(finding.subject, Text(finding.verdict.value, style), Text(finding.sentence))
    return table
