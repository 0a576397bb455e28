"""``python -m supervisor.settings [FILE]``: writes the reference of all settings, or prints it."""

from __future__ import annotations

import sys
from pathlib import Path

from supervisor.settings.reference import page


def main(arguments: list[str]) -> None:
    """Write the page to the file named, or print it."""
    if arguments:
        Path(arguments[0]).write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(page())


if __name__ == "__main__":
    main(sys.argv[1:])
