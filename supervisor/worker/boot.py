"""From a fresh fork to a worker that is ready: its own session, its pipes, its CPUs, its signals."""

from __future__ import annotations

import gc
import os
import random
import sys
import time
from dataclasses import dataclass

from setproctitle import setproctitle

from supervisor import faults, hooks
from supervisor.directory import Directory
from supervisor.launch import EXIT_FAILED, Spec
from supervisor.log import configure, log
from supervisor.scoreboard import Scoreboard, Word
from supervisor.system.cpus import CpuPlan, format_cpus
from supervisor.system.nice import be_nice, offer_to_oom_killer
from supervisor.system.prctl import become_subreaper, die_with_parent
from supervisor.template import application
from supervisor.wire.channel import ForkWorker
from supervisor.wire.messages import Hello
from supervisor.worker import blocked, dumps, logs
from supervisor.worker.execute import Executor
from supervisor.worker.link import Link
from supervisor.worker.loop import Loop, Post
from supervisor.worker.output import Talk

_ADOPTION_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Birth:
    """What every worker of a template is born with."""

    spec: Spec
    plan: CpuPlan
    board: Scoreboard
    wake: int
    bell: int
    master: int
    bare: bool


class _OrphanedError(Exception):
    """The master did not adopt us: it is gone."""


def live(birth: Birth, order: ForkWorker, descriptors: list[int]) -> None:
    """A worker's whole life. Returns when it leaves in good order."""
    gc.enable()
    faults.play("worker")
    os.setsid()
    _await_adoption(birth.master)
    if not die_with_parent(birth.master):
        raise _OrphanedError
    become_subreaper()
    talk_end, raw_end, stack_file, *rest = descriptors
    talk = _redirect(birth, talk_end, raw_end)
    slot = birth.board.slots[order.slot]
    title = f"{birth.spec.title} supervisor: worker {order.seat}"
    setproctitle(f"{title} starting")
    dumps.listen(stack_file)
    offer_to_oom_killer()
    _take_place(birth, order.seat)
    random.seed()
    _prepare_application(birth, talk)
    link = _link(birth, order)
    blocked.settle(birth.board, slot, birth.wake)
    executor = Executor(birth.spec.settings, slot, talk, link)
    loop = Loop(Post(slot, title, order.max_tasks, birth.wake), link, talk, executor)
    loop.listen_to_signals()
    if order.spare or loop.join():
        slot.put(Word.READY_NS, time.monotonic_ns())
        os.eventfd_write(birth.wake, 1)
        if order.spare:
            seat = loop.wait_to_be_needed(rest[0])
            _take_place(birth, seat)
        if not order.spare or loop.join():
            loop.run()
    hooks.run_stops()
    sys.stdout.flush()


def _link(birth: Birth, order: ForkWorker) -> Link:
    hello = Hello(order.worker, order.slot, os.getpid(), order.generation)
    settings = birth.spec.settings
    return Link(Directory(settings.dir), hello, settings.connect_timeout, birth.bell)


def _await_adoption(master: int) -> None:
    """The process between us and the template leaves in a moment; then we are the master's child."""
    until = time.monotonic() + _ADOPTION_SECONDS
    while os.getppid() != master:
        if time.monotonic() > until:
            sys.stderr.write("a worker was not adopted by its master\n")
            os._exit(EXIT_FAILED)
        time.sleep(0.0002)


def _redirect(birth: Birth, talk_end: int, raw_end: int) -> Talk:
    """Our output goes into the pipes; what is said outside tasks still reaches the supervisor's stderr."""
    stderr = os.dup(2)
    os.set_inheritable(stderr, False)
    os.dup2(raw_end, 1)
    os.dup2(raw_end, 2)
    talk = Talk(talk_end, raw_end, stderr)
    talk.install()
    # Only now, for stderr is what talk has put in its place.
    configure(f"worker {os.getpid()}", birth.spec.settings.log_level, birth.spec.log)
    return talk


def _prepare_application(birth: Birth, talk: Talk) -> None:
    if birth.bare:
        application.load(birth.spec.settings.tasks)
    hooks.run_starts()
    logs.install(talk, birth.spec.settings)  # last: the application may have configured its logging until now


def _take_place(birth: Birth, seat: int) -> None:
    cpus = birth.plan.of_worker(seat)
    if cpus:
        os.sched_setaffinity(0, cpus)
        log.debug("pinned to CPU %s", format_cpus(cpus))
    elif birth.spec.settings.cpus != "off":
        be_nice(birth.spec.settings.nice)
