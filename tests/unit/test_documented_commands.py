"""Every command that the documentation has somebody type is one that there is, with the options that it has."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from supervisor.cli.commands import cli
from tests.support.documents import DOCS, README

_WRITTEN = re.compile(r"^\$ (supervisor .+)$|`(supervisor [a-z][^`]*)`", re.MULTILINE)
_SAMPLE = {"ID": "0" * 32, "ID…": "0" * 32, "PID": "1", "N": "1", "NAME": "x", "PARENT": "0" * 32, "MODULE…": "x"}
PAGES = [README, *sorted(DOCS.rglob("*.md"))]


def commands(page: Path) -> list[str]:
    """What the page has somebody type, without what is left open by dots."""
    found = [typed or quoted for typed, quoted in _WRITTEN.findall(page.read_text())]
    return [each for each in found if "…" not in each.replace("ID…", "") and not each.endswith("=")]


def parse(words: list[str]) -> None:
    """Raises click's UsageError where the command line makes no sense."""
    group: click.Command = cli
    context = click.Context(cli, info_name="supervisor")
    while isinstance(group, click.Group) and words:
        name, words = words[0], words[1:]
        found = group.get_command(context, name)
        if found is None:
            raise click.UsageError(f"no command {name!r}")
        group = found
        context = click.Context(group, parent=context, info_name=name)
    group.make_parser(context).parse_args(list(words))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(README.parent)))
def test_commands_that_are_written_down_exist(page: Path) -> None:
    for line in commands(page):
        words = [_SAMPLE.get(word, word) for word in shlex.split(line.split("  #")[0])[1:]]
        try:
            parse(words)
        except click.UsageError as error:
            pytest.fail(f"{page.name}: `{line}`: {error.message}")


def test_a_command_that_does_not_exist_would_be_found() -> None:
    with pytest.raises(click.UsageError):
        parse(["workers", "polish"])
    with pytest.raises(click.UsageError):
        parse(["tasks", "--colour", "red"])
    assert sum(len(commands(page)) for page in PAGES) > 60
