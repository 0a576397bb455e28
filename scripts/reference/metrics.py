"""``python -m scripts.reference.metrics FILE``: writes the table of all metrics into a page."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from supervisor.metrics.catalogue import table

_TABLE = re.compile(r"^\| Metric \|.*?\n(?!\|)", re.MULTILINE | re.DOTALL)


def main(arguments: list[str]) -> None:
    """Replace the table of the page."""
    (name,) = arguments
    page = Path(name)
    text, count = _TABLE.subn(lambda _: table() + "\n", page.read_text(encoding="utf-8"))
    if count != 1:
        raise SystemExit(f"{page} has {count} tables that begin with | Metric |, and not one")
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
