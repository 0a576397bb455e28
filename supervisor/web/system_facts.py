"""What is known of the system itself: versions, files, settings in force, what `supervisor check` would say."""

from __future__ import annotations

import os
import platform
import socket
import sqlite3
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from msgspec import Struct

from supervisor.cli.checks import clash, files, filesystem
from supervisor.cli.checks import journal as journal_check
from supervisor.cli.checks.finding import Finding
from supervisor.directory import Directory
from supervisor.errors import QueueUnavailableError
from supervisor.journal.migrate import VERSION
from supervisor.master.control import ask as ask_master
from supervisor.settings import Settings
from supervisor.settings.running import CHANGEABLE
from supervisor.settings.spec import specs
from supervisor.web.options import Options

HIDDEN = "<hidden>"
_SECRET = ("password", "secret", "token", "key")
_MOST_FILES = 100_000
"""More are not counted."""
_SINGLE = ("master", "guardian")


class JournalFacts(Struct, kw_only=True):
    """The journal's files."""

    path: str
    bytes: int
    wal_bytes: int
    payload_files: int
    payload_bytes: int
    schema: int
    newest_seq: int | None


class Process(Struct):
    """One of the tree that is no worker."""

    role: str
    pid: int


class Setting(Struct, kw_only=True):
    """A setting as it is in force."""

    name: str
    value: Any
    group: str
    doc: str
    changeable: bool
    changed: bool
    """Whether it was changed while the system ran."""


class Choice(Struct):
    """What was chosen about the dashboard."""

    name: str
    value: Any


class MasterFacts(Struct, kw_only=True):
    """What the master says of itself; empty where none answers."""

    title: str = ""
    uptime: float = 0.0
    generation: int = 0
    import_error: str = ""
    obstacles: list[str] = []
    processes: list[Process] = []


def journal_of(directory: Directory, newest_seq: int | None) -> JournalFacts:
    """The sizes of its files."""
    count, total = _payloads(directory)
    return JournalFacts(
        path=str(directory.journal),
        bytes=_size(directory.journal),
        wal_bytes=_size(f"{directory.journal}-wal"),
        payload_files=count,
        payload_bytes=total,
        schema=VERSION,
        newest_seq=newest_seq,
    )


def _payloads(directory: Directory) -> tuple[int, int]:
    count = total = 0
    try:
        with os.scandir(directory.payloads) as entries:
            for entry in entries:
                count += 1
                total += _size(entry.path)
                if count == _MOST_FILES:
                    break
    except OSError:
        return 0, 0  # nothing was ever started there
    return count, total


def _size(path: str | os.PathLike[str]) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0  # it is not there, or was deleted this moment


def master_of(directory: Directory) -> MasterFacts:
    """What the master says."""
    try:
        told: dict[str, Any] = dict(ask_master(directory, "status", timeout=1.0))
    except QueueUnavailableError:
        return MasterFacts()
    template = told["template"]
    processes = [Process("owner", pid) for pid in told["owners"]]
    processes += [Process(role, told[role]) for role in _SINGLE]
    processes += [Process("broker", told["broker"]["pid"]), Process("template", template["pid"])]
    return MasterFacts(
        title=told["title"],
        uptime=told["uptime"],
        generation=told["generation"],
        import_error=template["error"],
        obstacles=template["obstacles"],
        processes=processes,
    )


def settings_of(settings: Settings | None, in_force: Mapping[str, Any]) -> list[Setting]:
    """Every setting, with what was changed since in its place."""
    if settings is None:
        return []
    base = settings.to_json()
    values = {**base, **in_force}
    return [
        Setting(
            name=name,
            value=HIDDEN if _is_secret(name) else values[name],
            group=spec.group,
            doc=spec.doc,
            changeable=name in CHANGEABLE,
            changed=values[name] != base[name],
        )
        for name, spec in specs(Settings).items()
    ]


def _is_secret(name: str) -> bool:
    return any(word in name.split("_") for word in _SECRET)


def choices_of(options: Options) -> list[Choice]:
    """The dashboard's own options."""
    return [
        Choice("password", HIDDEN if options.password else None),
        Choice("viewer_password", HIDDEN if options.viewer_password else None),
        Choice("auth", options.auth is not None),
        Choice("allowed_hosts", list(options.allowed_hosts or ())),
        Choice("session_seconds", options.session_seconds),
        Choice("stalled_after", options.stalled_after),
        Choice("metrics", options.metrics is not None),
    ]


def versions() -> dict[str, str]:
    """Of what it runs on."""
    try:
        gunicorn = version("gunicorn")
    except PackageNotFoundError:
        gunicorn = ""
    return {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "gunicorn": gunicorn,
        "host": socket.gethostname(),
    }


def findings_of(directory: Directory, *, durable: bool) -> list[Finding]:
    """What `supervisor check` says of directory, files and file system."""
    return [*clash.check(), *filesystem.check(directory, durable=durable), *files.check(directory)]


def doctor(directory: Directory) -> list[Finding]:
    """What it says of the journal, for at most ten seconds."""
    return list(journal_check.check(directory.journal))
