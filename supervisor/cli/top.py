"""``supervisor top``: the tree as it works, again and again, and keys to act on it."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Generator
from contextlib import contextmanager

import click
from rich.live import Live

from supervisor.cli import master
from supervisor.cli.place import find
from supervisor.cli.reach import queue_of
from supervisor.cli.text import console, print_json_line
from supervisor.cli.topview import SORTS, View, row_of
from supervisor.directory import Directory
from supervisor.errors import SupervisorError
from supervisor.taskqueue import TaskQueue

_ARROWS = {"\x1b[A": "k", "\x1b[B": "j", "\x1bOA": "k", "\x1bOB": "j"}


@click.command()
@click.option("--dir", "chosen", metavar="DIR", help="The supervisor's directory. [.supervisor; SUPERVISOR_DIR]")
@click.option("--every", default=1.0, show_default=True, type=click.FloatRange(0.1, 60), help="Seconds between looks.")
@click.option("--json", "as_json", is_flag=True, help="An object for each look, on a line, until it is interrupted.")
@click.option("--looks", default=0, type=click.IntRange(0), help="End after so many looks; 0 for never.")
def top(chosen: str | None, every: float, looks: int, *, as_json: bool) -> None:
    """Watch workers, queues and throughput.

    Keys: j and k (or the arrows) choose a worker, s what they are sorted by, x cancels its task, r replaces it, d shows
    its stack, tab chooses a queue, p pauses or resumes it, q ends.
    """
    directory = find(chosen)
    with queue_of(chosen) as queue:
        watch = Watch(directory, queue)
        watch.look()
        if as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
            watch.print_all(every, looks, as_json=as_json)
        else:
            watch.show(every, looks)


class Watch:
    """What is seen, and what the keys do."""

    def __init__(self, directory: Directory, queue: TaskQueue) -> None:
        self._directory = directory
        self._queue = queue
        self.view = View(str(directory))

    def look(self) -> None:
        """See what is there now. A supervisor that does not answer is shown as such, with what was seen last."""
        try:
            self.view.see(self._queue.stats(), self._queue.workers(), self._queue.queues(), time.time())
        except SupervisorError as error:
            self.view.lost(str(error), time.time())

    def print_all(self, every: float, looks: int, *, as_json: bool) -> None:
        """One look after the other, without keys."""
        out, number = console(), 0
        while True:
            if as_json:
                print_json_line(row_of(self.view))
            else:
                out.print(self.view)
            number += 1
            if number == looks or (not looks and not as_json):
                return
            time.sleep(every)
            self.look()

    def show(self, every: float, looks: int) -> None:
        """On the whole terminal, until q."""
        number = 1
        with _keys() as keys, Live(self.view, console=console(), screen=True, auto_refresh=False) as live:
            due = time.monotonic() + every
            while number != looks or not looks:
                live.update(self.view, refresh=True)
                key = keys(max(0.0, due - time.monotonic()))
                if key in ("q", "\x03", "\x04"):
                    return
                if key:
                    self._act(key)
                if time.monotonic() >= due:
                    self.look()
                    number += 1
                    due = time.monotonic() + every

    def _act(self, key: str) -> None:
        view = self.view
        view.note, view.stack = "", ""
        try:
            match key:
                case "j" | "k":
                    view.choose(1 if key == "j" else -1)
                case "s":
                    view.sort = SORTS[(SORTS.index(view.sort) + 1) % len(SORTS)]
                case "\t":
                    view.choose_queue()
                case "p":
                    self._pause()
                case "x" | "r" | "d":
                    self._act_on_worker(key)
                case _:
                    view.note = "j k choose, s sort, x cancel, r recycle, d stack, tab queue, p pause, q quit"
        except SupervisorError as error:
            view.note = str(error)
        self.look()

    def _pause(self) -> None:
        view = self.view
        name = view.queue
        paused = name in view.paused
        (self._queue.resume if paused else self._queue.pause)(name)
        view.note = f"the queue {name} {'goes on' if paused else 'is paused'}"

    def _act_on_worker(self, key: str) -> None:
        view = self.view
        worker = view.chosen
        if worker is None:
            view.note = "there is no worker"
        elif key == "r":
            master.recycle(self._directory, worker.pid)
            view.note = f"worker {worker.pid} will be replaced"
        elif key == "d":
            view.stack = master.stack(self._directory, worker.pid)
        elif worker.task_id is None:
            view.note = f"worker {worker.pid} runs nothing"
        else:
            self._queue.cancel(worker.task_id)
            view.note = f"{worker.task_name} {worker.task_id} is cancelled"


@contextmanager
def _keys() -> Generator[Callable[[float], str]]:
    """Keys one by one, without an Enter: each call waits for one so many seconds, and gives "" for none."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def read(seconds: float) -> str:
        if not select.select([descriptor], [], [], seconds)[0]:
            return ""
        pressed = os.read(descriptor, 16).decode("utf-8", "replace")
        return _ARROWS.get(pressed, pressed[:1])

    tty.setcbreak(descriptor)
    try:
        yield read
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
