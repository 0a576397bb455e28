"""The template's process: executed afresh for each generation of code."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import time
import traceback
from types import FrameType

from setproctitle import setproctitle

from supervisor import faults
from supervisor.launch import EXIT_FAILED, Spec, read_spec
from supervisor.log import configure, log
from supervisor.scoreboard import Header, Scoreboard
from supervisor.system.descriptors import sockets
from supervisor.system.prctl import die_with_parent
from supervisor.template import application
from supervisor.wire.channel import Channel, Forked, ForkWorker, Imported, ImportFailed, Stop, Unforked
from supervisor.wire.declared import declared_file
from supervisor.worker.boot import Birth, live

_BEAT_SECONDS = 1.0
"""Half of the shortest silence that may be set to count as a hang."""


class Template:
    """Waits for orders to fork."""

    def __init__(self, spec: Spec, channel: Channel, birth: Birth) -> None:
        self._spec = spec
        self._channel = channel
        self._birth = birth
        channel.socket.settimeout(_BEAT_SECONDS)

    def serve(self) -> None:
        """Until told to stop, or the master is gone."""
        while True:
            self._birth.board.put(Header.TEMPLATE_BEAT_NS, time.monotonic_ns())
            try:
                message, descriptors = self._channel.receive()
            except TimeoutError:
                continue
            match message:
                case None | Stop():
                    return
                case ForkWorker():
                    self._fork(message, descriptors)
                    for descriptor in descriptors:
                        os.close(descriptor)

    def _fork(self, order: ForkWorker, descriptors: list[int]) -> None:
        """Fork twice: the one in between leaves, so the worker becomes the master's child and only it reaps it."""
        between = os.fork()
        if between:
            _, ended = os.waitpid(between, 0)
            if ended != 0:
                self._channel.send(Unforked(order.worker))
            return
        status = EXIT_FAILED
        try:
            worker = os.fork()
            if worker == 0:
                self._channel.close()
                live(self._birth, order, descriptors)
                status = 0
            else:
                # Told before this process leaves: the master knows the pid before the worker lands on it.
                self._channel.send(Forked(order.worker, worker))
                status = 0
        except BaseException:  # noqa: BLE001  nothing may get out of here: this is a copy of the template
            traceback.print_exc()
        finally:
            os._exit(status)


def _nothing(signum: int, frame: FrameType | None) -> None:
    """These reach a whole group at once; the master decides when the template ends."""


def main(arguments: list[str]) -> int:
    """Import, then fork on order; the exit code."""
    parser = argparse.ArgumentParser(prog="supervisor.template")
    for name in ("channel", "board", "wake", "bell", "spec", "master", "generation"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--bare", action="store_true")
    chosen = parser.parse_args(arguments)
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(signum, _nothing)
    if not die_with_parent(chosen.master):
        return EXIT_FAILED
    faults.play("template")
    spec = read_spec(chosen.spec)
    configure("template", spec.settings.log_level, spec.log)
    setproctitle(f"{spec.title} supervisor: template, generation {chosen.generation} [{spec.settings.dir}]")
    channel = Channel.inherited(chosen.channel)
    started = time.monotonic()
    before = frozenset(sockets().values())
    try:
        plan = application.prepare(spec)
        if not chosen.bare:
            application.load(spec.settings.tasks)
        declared = declared_file(application.declared(spec))
    except BaseException:  # noqa: BLE001  also a SystemExit at import: the master must hear why
        channel.send(ImportFailed(traceback.format_exc()[-20_000:]))
        return 1
    found = application.obstacles(before)
    files = application.sources()
    channel.send(Imported(time.monotonic() - started, found, files), [declared])
    os.close(declared)
    if found and not chosen.bare:
        return 0  # the master starts a bare one instead
    board = Scoreboard.attach(chosen.board)
    birth = Birth(spec, plan, board, chosen.wake, chosen.bell, chosen.master, bare=chosen.bare)
    gc.collect()
    gc.freeze()  # so that collections in workers leave the shared pages alone
    log.debug("ready to fork")
    Template(spec, channel, birth).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
