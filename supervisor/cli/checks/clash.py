"""The other package of the same name: PyPI's ``supervisor`` (supervisord) installs into the same folder."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution

from supervisor.cli.checks.finding import Finding, fault, ok

_SUBJECT = "name"
_OTHER = "supervisor"


def check() -> Iterator[Finding]:
    """Whether it is installed in this environment."""
    found = sentence()
    if found is None:
        yield ok(_SUBJECT, "no other package that installs `supervisor` is in this environment")
    else:
        yield fault(_SUBJECT, found)


def sentence() -> str | None:
    """What is wrong and what to do; None when it is not here."""
    try:
        other = distribution(_OTHER)
    except PackageNotFoundError:
        return None
    return (
        f"PyPI's supervisor {other.version} (supervisord) is in this environment too ({other.locate_file('')}) and"
        " installs files of the same names; put it into an environment of its own, then install gunicorn-supervisor"
        " again (pip install --force-reinstall)"
    )
