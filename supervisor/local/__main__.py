"""The process that owns a local tree, on behalf of the one that started it: ends with that one, however it ends.

Apart from that one, since a process that runs user code, with threads and signal handlers of its own, is in no
position to wait for signals, to drain, and to outlive its own SIGKILL for as long as it takes to clean up.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys

from supervisor.errors import SupervisorError
from supervisor.launch import EXIT_FAILED, read_spec
from supervisor.log import log
from supervisor.standalone import serve


def main(arguments: list[str]) -> int:
    """Run the tree until told to stop or the owner is gone; the exit code."""
    parser = argparse.ArgumentParser(prog="supervisor.local")
    for name in ("spec", "owner"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--temporary", action="store_true")
    chosen = parser.parse_args(arguments)
    owner = os.pidfd_open(chosen.owner)
    if os.getppid() != chosen.owner:
        return 0  # it died before we looked: that pid may be anybody's by now
    spec = read_spec(chosen.spec)
    try:
        serve(spec, owner)
    except SupervisorError as error:
        log.critical("%s", error)
        return EXIT_FAILED
    finally:
        if chosen.temporary:
            shutil.rmtree(spec.settings.dir, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
