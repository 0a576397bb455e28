"""Items on their way into the journal: which of them count, whatever was sent twice, too late, or to another broker."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.broker.connection import Connection
from supervisor.broker.streams import Streams
from supervisor.core.agenda import Agenda
from supervisor.core.book import Book
from supervisor.core.capacity import Capacity
from supervisor.core.entry import Death, Lease
from supervisor.core.kind import Defaults, Kinds
from supervisor.core.moment import Moment
from supervisor.ids import new_id
from supervisor.journal.journal import Durability, Journal
from supervisor.journal.rows import Pieces
from supervisor.states import Cause
from supervisor.wire.messages import Hello, Outcome, Report, Submission
from supervisor.wire.remote import RemoteError
from supervisor.wire.talks import Item, Seen

NOW = Moment(1000.0, 1e9)


class Desk:
    """A journal with one task that runs, and the connection of its worker."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder / "journal.db", Durability.NORMAL)
        self.book = Book(Agenda(Kinds(Defaults(retry_delay=0.0, retry_jitter=0.0)), Capacity(100)))
        self.streams = Streams(self.book, self.journal)
        self.book.agenda.submit(Submission(new_id(), "t", b""), NOW)
        self.ends = socket.socketpair()
        self.connection = Connection(self.ends[0], b"k" * 32, 1000, 0.0)
        self.lease = self.begin(1)

    def begin(self, number: int) -> Lease:
        """Another worker takes the task."""
        self.connection.worker = self.book.hello(Hello(number, number, number, 1))
        self.book.ask(self.connection.worker, 1, NOW)
        (handout,) = self.book.assign(NOW)
        self.turn()
        return handout.leases[0]

    def send(self, number: int, data: bytes, lease: int = 0) -> bool:
        return self.streams.take(self.connection, Item(lease or self.lease.number, number, data))

    def turn(self, ended: list[int] | None = None) -> set[bytes]:
        pieces = Pieces()
        self.streams.collect(pieces, ended or [])
        self.journal.write(self.book.agenda.take_changes(NOW), pieces)
        return pieces.talked

    def restart(self) -> None:
        """A broker that knows only what was committed."""
        self.streams = Streams(self.book, self.journal)

    def items(self) -> list[bytes]:
        found, more = self.journal.talks.items(self.lease.entry.seq, Seen())
        assert not more
        return [data for _, data in found.items]

    def close(self) -> None:
        self.journal.close()
        for end in self.ends:
            end.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def test_items_are_there_with_the_commit_and_wake_the_readers_of_their_task(desk: Desk) -> None:
    assert desk.send(0, b"a")
    assert desk.send(1, b"b")
    assert desk.items() == []
    assert desk.turn() == {desk.lease.entry.id}
    assert desk.items() == [b"a", b"b"]
    assert desk.turn() == set()


def test_an_item_that_is_sent_again_counts_once(desk: Desk) -> None:
    for number, data in enumerate((b"a", b"b")):
        desk.send(number, data)
    desk.turn()
    desk.restart()
    # The worker has heard nothing of the second, and sends it again, and the next.
    for number, data in ((1, b"b"), (2, b"c"), (1, b"b"), (2, b"c")):
        assert desk.send(number, data), "it is answered, so that the worker goes on"
    desk.turn()
    assert desk.items() == [b"a", b"b", b"c"]


def test_nothing_counts_behind_the_fence(desk: Desk) -> None:
    desk.send(0, b"in time")
    desk.book.fence(desk.lease.number, Cause.TIMEOUT)
    assert not desk.send(1, b"too late"), "nor is it answered: the attempt cannot end before the kill"
    desk.turn()
    assert desk.items() == [b"in time"]
    desk.book.spare(desk.lease.number, NOW)
    assert desk.send(1, b"again in time")
    desk.turn()
    assert desk.items() == [b"in time", b"again in time"]


def test_of_an_attempt_that_is_over_or_anothers_nothing_counts(desk: Desk) -> None:
    first = desk.lease
    desk.send(0, b"first")
    desk.send(1, b"first")
    desk.turn()
    desk.book.die(1, first.number, Death(Cause.SIGNAL), NOW)
    desk.turn([first.number])
    desk.lease = desk.begin(2)
    assert desk.send(2, b"late", lease=first.number)
    assert desk.turn() == set()
    assert desk.items() == [b"first", b"first"], "until the next attempt has yielded, they are what there is"
    desk.send(0, b"second")
    desk.turn()
    assert desk.items() == [b"second"]
    desk.connection.worker = desk.book.hello(Hello(3, 3, 3, 1))
    assert desk.send(1, b"another's")
    assert desk.turn() == set()


def test_items_and_the_end_may_come_in_one_turn(desk: Desk) -> None:
    worker = desk.connection.worker
    assert worker is not None
    desk.send(0, b"a")
    assert desk.book.complete(worker, Report(desk.lease.number, Outcome.SUCCEEDED), NOW)
    desk.turn([desk.lease.number])
    assert desk.items() == [b"a"]


def test_who_has_not_said_hello_may_send_nothing(desk: Desk) -> None:
    desk.connection.worker = None
    with pytest.raises(RemoteError):
        desk.send(0, b"a")
