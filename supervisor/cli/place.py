"""Which directory a command is about, when it needs no other setting."""

from __future__ import annotations

import os
from pathlib import Path

from supervisor.directory import Directory
from supervisor.errors import SettingsError
from supervisor.settings import Settings, source
from supervisor.settings.gather import Gathered
from supervisor.settings.source import Source
from supervisor.settings.spec import specs

_DIR = "dir"


def find(chosen: str | None) -> Directory:
    """The directory by the sources of the setting ``dir``, the strongest first: the one ``chosen`` on the command
    line, ``$SUPERVISOR_DIR``, pyproject.toml, ``./.supervisor``.

    A mistake in another setting is no reason not to look: only SettingsError about this one is raised.
    """
    home = Path.cwd()
    found = Gathered({_DIR: specs(Settings)[_DIR]})
    for origin in (_pyproject(home), source.environment(found.known, os.environ), source.command_line({_DIR: chosen})):
        found.add(origin)
    if found.faults:
        raise SettingsError(found.faults)
    return Directory(home / found.values[_DIR])


def _pyproject(home: Path) -> Source:
    try:
        whole = source.pyproject(home)
    except SettingsError:
        return source.command_line({})
    named = {name: value for name, value in whole.values.items() if name == _DIR}
    return Source(whole.place, named, whole.origin)
