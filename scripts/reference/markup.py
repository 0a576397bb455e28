"""Docstrings are reStructuredText in a few of its forms; the page is Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable

_ROLE = re.compile(r":\w+:`~?([^`]+)`")
_LITERAL = re.compile(r"``([^`]+)``")


def markdown(docstring: str | None) -> str:
    """The same in Markdown; empty where there is none."""
    text = _ROLE.sub(r"`\1`", docstring or "")
    return _LITERAL.sub(r"`\1`", text).strip()


def cell(docstring: str | None) -> str:
    """The same in one line, for a cell of a table."""
    return " ".join(markdown(docstring).split()).replace("|", "\\|")


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of cells."""
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
