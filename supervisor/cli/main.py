"""Where the command ``supervisor`` begins.

PyPI's ``supervisor`` (supervisord), installed after this package, writes over some of our modules, so that nothing
can be imported. That must be told in a sentence: this module needs none of those that both packages have.
"""

from __future__ import annotations

import importlib
import sys

from supervisor.cli.checks import clash


def main() -> None:
    """Run it."""
    try:
        commands = importlib.import_module("supervisor.cli.commands")
    except ImportError:
        sentence = clash.sentence()
        if sentence is None:
            raise
        sys.stderr.write(f"supervisor: {sentence}\n")
        raise SystemExit(1) from None
    commands.cli(prog_name="supervisor")
