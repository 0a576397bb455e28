"""The SQL of the journal, read from the ``.sql`` files beside this module."""

from __future__ import annotations

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def read(name: str) -> str:
    """The text of one SQL file."""
    return files("supervisor.journal").joinpath(name).read_text(encoding="utf-8")


def parse(text: str) -> dict[str, str]:
    """The statements of a file by name."""
    parts = _NAME.split(text)[1:]
    return {name: body.strip().rstrip(";") for name, body in zip(parts[::2], parts[1::2], strict=True)}


SCHEMA = read("schema.sql")
SQL = parse(read("statements.sql"))
