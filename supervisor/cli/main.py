"""The command ``supervisor``."""

from __future__ import annotations


def main() -> None:
    """Run it."""
    raise SystemExit("not yet")
