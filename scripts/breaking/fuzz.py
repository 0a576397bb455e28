"""``scripts/fuzz --minutes N``: the broker's own loop in this process, fed by atheris over a real socket.

An input is read as a byte of flags and pieces of what a connection says. The broker must live through each of them,
hang up or go on, and answer somebody who means well; libFuzzer watches the memory.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

_MEMORY_MB = 1024


def main() -> None:
    """Until the time is over; atheris ends the process, with another code than 0 where something was found."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (default 5)")
    parser.add_argument("--corpus", type=Path, default=None, help="a folder to begin with, and to keep (default: none)")
    chosen = parser.parse_args()
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["supervisor"]):
        target_module: Any = importlib.import_module("scripts.breaking.target")
    logging.getLogger("supervisor").setLevel("CRITICAL")  # it would tell of each refusal
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        corpus = chosen.corpus or Path(folder) / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        target = target_module.Target(Path(folder))
        for number, seed in enumerate(target.seeds()):
            (corpus / f"seed-{number}").write_bytes(seed)
        atheris.Setup(
            [
                sys.argv[0],
                str(corpus),
                f"-max_total_time={chosen.minutes * 60:.0f}",
                "-max_len=4096",
                f"-rss_limit_mb={_MEMORY_MB}",
                f"-artifact_prefix={Path.cwd()}/fuzz-found-",
            ],
            target.take,
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
