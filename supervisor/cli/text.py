"""Numbers in words for people, and the console that shows them."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from datetime import datetime

import click
from rich.console import Console

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))
_PIPED_WIDTH = 120


def console() -> Console:
    """Standard output. A pipe has no width: it gets room enough for tables."""
    plain = Console(highlight=False)
    return plain if plain.is_terminal else Console(highlight=False, width=_PIPED_WIDTH, no_color=True)


def print_json(found: object) -> None:
    """One object, on one or many lines."""
    click.echo(json.dumps(found, indent=2, default=str))


def duration(seconds: float) -> str:
    """Such as "2h 5m", "3m 4s", "8.2s", "40ms"."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.1f}s" if seconds < 10 else f"{seconds:.0f}s"
    whole = int(seconds)
    for position, (size, unit) in enumerate(_UNITS):
        if whole >= size:
            smaller, letter = _UNITS[position + 1] if position + 1 < len(_UNITS) else (1, "s")
            return f"{whole // size}{unit} {whole % size // smaller}{letter}"
    return f"{whole}s"


def mebibytes(size: int | None) -> str:
    """Such as "12M"."""
    return "-" if size is None else f"{size / (1 << 20):,.0f}M"


def count(number: int, noun: str) -> str:
    """Such as "1 task" or "1,000 tasks"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def ago(then: float | None, now: float) -> str:
    """How long a wall-clock time is past, or ("in 5m 0s") ahead; "-" for none."""
    if then is None:
        return "-"
    return duration(now - then) if now >= then else f"in {duration(then - now)}"


def moment(wall: float | None) -> str:
    """A wall-clock time in this machine's zone, such as "2026-05-01 13:37:00.250"; "-" for none."""
    if wall is None:
        return "-"
    return datetime.fromtimestamp(wall).astimezone().isoformat(" ", "milliseconds")[:23]


def plain(found: object) -> object:
    """Records, and lists of them, as what JSON knows."""
    if isinstance(found, list | tuple):
        return [plain(each) for each in found]
    return asdict(found) if is_dataclass(found) and not isinstance(found, type) else found


def print_json_line(found: object) -> None:
    """One object on one line, for what comes bit by bit."""
    click.echo(json.dumps(found, default=str))
