"""The SQL of the dashboard, all of it read-only."""

from __future__ import annotations

from importlib.resources import files

from supervisor.journal.statements import parse

SQL = parse(files("supervisor.web").joinpath("listing.sql").read_text(encoding="utf-8"))
