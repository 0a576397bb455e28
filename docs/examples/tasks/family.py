"""A task with children that refuse to die: deaf to signals, in sessions of their own, daemons, respawning."""

import signal
import subprocess
import sys

import psutil

from docs.examples import outlaw
from supervisor import current_task, task

LIFE = "60"
"""Seconds after which the children end by themselves, should nobody manage to kill them."""


@task(name="family", timeout=3, max_retries=0)
def raise_family() -> None:
    """Start every kind of child there is, and wait for ever."""
    marker = current_task().id
    for mode in outlaw.MODES:
        child = subprocess.Popen([sys.executable, "-IS", outlaw.__file__, mode, marker, LIFE])
        print(f"Started process {child.pid}: {mode}", flush=True)
    while True:
        signal.pause()


def alive(marker: str) -> int:
    """How many of the children of a task are alive, whatever they did to their ancestry."""
    lines = (process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"]))
    return sum(marker in line for line in lines)
