"""The process of the tree that shows metrics, where the settings want one: the guardian's child.

So it is nobody's work that matters: not the broker's nor the master's, of which it asks two short questions, and it
still answers while they are being replaced. It ends with the guardian, or when that dies, and says so in its file.
"""

from __future__ import annotations

import argparse
import signal
import sys

from setproctitle import setproctitle

from supervisor import owners, signals
from supervisor.directory import Directory
from supervisor.launch import EXIT_FAILED
from supervisor.log import configure
from supervisor.metrics.exporter import Exporter, Ways
from supervisor.metrics.sources import Source
from supervisor.system.prctl import die_with_parent

_ENDS = frozenset({signals.END})


def main(arguments: list[str]) -> int:
    """Show metrics until told to stop; the exit code."""
    parser = argparse.ArgumentParser(prog="supervisor.metrics")
    parser.add_argument("--dir", required=True)
    parser.add_argument("--guardian", type=int, required=True)
    chosen = parser.parse_args(arguments)
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(signum, signal.SIG_IGN)
    if not die_with_parent(chosen.guardian, signals.END):
        return EXIT_FAILED
    directory = Directory(chosen.dir)
    living = owners.living(directory.owners)
    if not living:
        return 0
    spec = living[-1].spec
    settings = spec.settings
    configure("metrics", settings.log_level, spec.log)
    setproctitle(f"{spec.title} supervisor: metrics [{directory}]")
    ways = Ways(listen=settings.metrics_listen, path=settings.metrics_file, interval=settings.metrics_interval)
    exporter = Exporter(Source(directory), ways)
    exporter.run(_ENDS)
    exporter.close(ended=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
