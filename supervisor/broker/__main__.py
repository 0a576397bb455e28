"""The broker's process: executed afresh by the master, so nothing is inherited but four descriptors."""

from __future__ import annotations

import argparse
import gc
import os
import resource
import signal
import socket
import sqlite3
import sys
import time
from operator import attrgetter
from types import FrameType

from setproctitle import setproctitle

from supervisor import faults
from supervisor.broker.admission import Admission
from supervisor.broker.configuring import defaults_of, restore_limits, stored_settings
from supervisor.broker.line import MasterLine
from supervisor.broker.output import OutputReader
from supervisor.broker.restoring import entries_of, entry_of
from supervisor.broker.room import Room
from supervisor.broker.server import Server
from supervisor.broker.service import Service
from supervisor.broker.tasklog import TaskLog
from supervisor.core.agenda import Agenda
from supervisor.core.book import Book
from supervisor.core.capacity import Capacity
from supervisor.core.dealer import BatchPolicy
from supervisor.core.entry import Entry, Lease, Worker
from supervisor.core.kind import Kinds
from supervisor.core.moment import Moment
from supervisor.core.restoration import Restoration
from supervisor.core.retention import Retention
from supervisor.directory import Directory
from supervisor.errors import JournalError, SupervisorError
from supervisor.journal.checkpoint import Checkpointer
from supervisor.journal.journal import REMEDY, Durability, Journal
from supervisor.journal.removal import Remover
from supervisor.journal.rows import StoredTask
from supervisor.journal.sweep import Sweeper
from supervisor.launch import EXIT_FAILED, read_spec
from supervisor.log import configure, log
from supervisor.scoreboard import Header, Scoreboard
from supervisor.settings import Settings
from supervisor.states import State
from supervisor.system.prctl import die_with_parent
from supervisor.wire.channel import Channel
from supervisor.wire.info import Info


def open_book(journal: Journal, settings: Settings, board: Scoreboard, now: Moment | None = None) -> Book:
    """The book as the journal left it; ``now`` is the present unless given."""
    agenda = Agenda(
        Kinds(defaults_of(settings)), Capacity(settings.queue_limit, settings.queue_limits), settings.ageing or 0.0
    )
    book = Book(agenda, BatchPolicy(settings.batch_size, settings.batch_time))
    now = now or Moment.now()
    book.agenda.kinds.tallies.restore(journal.totals(), now)
    restore_limits(book.agenda, journal.configured(), now.mono)
    restoration = Restoration(book, now)
    _restore_tasks(journal, book, restoration, board, now)
    _restore_ties(journal, book, restoration, board)
    for name, weight, paused in journal.queues():
        restoration.queue(name, weight, paused=bool(paused))
    for task_id, keys, created in journal.keyed():
        restoration.key(task_id, keys, created)
    for keys, started in journal.keyed_starts():
        restoration.start(keys, started)
    seq, lease_number = journal.highest()
    book.agenda.count_from(seq + 1)
    book.count_from(lease_number + 1)
    return book


def _restore_tasks(journal: Journal, book: Book, restoration: Restoration, board: Scoreboard, now: Moment) -> None:
    newest = board.get(Header.GENERATION)
    blocks, kinds = journal.open_blocks(), book.agenda.kinds
    for block in blocks:
        book.agenda.blocks.restore(block)
    held: list[tuple[Lease, Worker]] = []
    for block in blocks:
        board.put(Header.BROKER_BEAT_NS, time.monotonic_ns())  # a deep queue takes a while, and that is no hang
        entries = entries_of(journal.newcomers(block), kinds, newest, now)
        others = [(stored, entry_of(stored, kinds, newest, now)) for stored in journal.unfinished(block)]
        if not others:
            restoration.newcomers(entries)
            continue
        for entry in sorted(entries + [entry for _, entry in others], key=attrgetter("seq")):
            restoration.task(entry)
        held += [_held(stored, entry, now) for stored, entry in others if entry.state is State.RUNNING]
    book.agenda.blocks.settle()
    for lease, worker in sorted(held, key=lambda each: each[0].number):
        restoration.lease(lease, worker)  # in the order in which the worker runs them, which need not be that of seq


def _held(stored: StoredTask, entry: Entry, now: Moment) -> tuple[Lease, Worker]:
    """The lease of a task that the journal calls running, and who holds it."""
    lease = Lease(stored.lease, entry, stored.worker, 0, stored.started_wall or now.wall)
    lease.cancelling = bool(stored.cancelling)
    return lease, Worker(stored.worker, 0, stored.pid, 0)


def _restore_ties(journal: Journal, book: Book, restoration: Restoration, board: Scoreboard) -> None:
    for task_id, bond in journal.ties.unfinished():
        board.put(Header.BROKER_BEAT_NS, time.monotonic_ns())
        over = [each for each in bond.ties.parents if each not in book.agenda.tasks]
        restoration.ties(task_id, bond, journal.ties.ends(over))


def open_service(
    journal: Journal,
    base: Settings,
    board: Scoreboard,
    task_log: TaskLog | None = None,
    now: Moment | None = None,
) -> Service:
    """The service with all that the journal knows; ``base`` are the settings of this start, ``now`` is the present
    unless given.
    """
    now = now or Moment.now()
    settings, configured = stored_settings(base, journal.configured())
    book = open_book(journal, settings, board, now)
    output = OutputReader(book, board, settings.output_limit, journal.last_piece, task_log)
    service = Service(book, journal, board, output)
    service.now = now
    service.timetable.restore(journal.schedules())
    service.hooks.restore(journal.hooks(), settings.backlog_threshold)
    service.configuring.begin(base, configured)
    service.gauging.begin(settings)
    service.info = {"durability": settings.durability, "pid": os.getpid(), "directory": str(settings.dir)}
    service.admission = Admission(
        Info(settings.payloads, settings.inline_limit, settings.payload_limit, settings.message_limit)
    )
    return service


def keep_house(service: Service, settings: Settings) -> tuple[Sweeper, Remover]:
    """What sees to it that what has outlived its time goes."""
    remover = Remover(Directory(settings.dir).payloads)
    retention = Retention(settings.result_ttl, settings.record_ttl, settings.dead_ttl)
    sweeper = Sweeper(service.journal.archive, remover, retention, service.book.agenda.dependencies)
    service.ended.remover, service.ended.sweeper = remover, sweeper
    service.ended.keep(retention)
    return sweeper, remover


def _nothing(signum: int, frame: FrameType | None) -> None:
    """TERM and INT reach the whole group; the master decides when the broker ends."""


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="supervisor.broker")
    for name in ("listener", "channel", "board", "wake", "bell", "spec", "master"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--dir", required=True)
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Serve until told to stop; the exit code."""
    chosen = _parse(arguments)
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(signum, _nothing)
    if not die_with_parent(chosen.master):
        return EXIT_FAILED
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a descriptor a client; two a worker
    faults.play("broker")
    spec = read_spec(chosen.spec)
    settings = spec.settings
    configure("broker", settings.log_level, spec.log)
    setproctitle(f"{spec.title} supervisor: broker [{chosen.dir}]")
    try:
        serve(chosen, settings)
    except SupervisorError as error:
        log.critical("%s", error)
        return EXIT_FAILED
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
        log.critical("%s", JournalError(str(Directory(chosen.dir).journal), f"{error}; {REMEDY}"))
        return EXIT_FAILED
    return 0


def serve(chosen: argparse.Namespace, settings: Settings) -> None:
    """Open the journal, and serve until told to stop. Raises JournalError, sqlite3.DatabaseError."""
    directory = Directory(chosen.dir)
    journal = Journal(directory.journal, Durability(settings.durability))
    board = Scoreboard.attach(chosen.board)
    task_log = TaskLog(settings.output_limit)
    service = open_service(journal, settings, board, task_log)
    line = MasterLine(Channel.inherited(chosen.channel), chosen.wake)
    listener = socket.socket(fileno=chosen.listener)
    server = Server(listener, line, service, directory.read_key(), settings.message_limit, chosen.bell)
    if settings.durability != Durability.OFF:
        service.room = Room(directory.path, settings.disk_reserve, journal)
        server.checkpointer = Checkpointer(directory.journal)
    server.sweeper, remover = keep_house(service, service.configuring.settings)
    gc.collect()
    gc.freeze()  # a deep queue's records are never walked again
    server.serve()
    for helper in (server.checkpointer, remover, task_log, journal):
        if helper is not None:
            helper.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
