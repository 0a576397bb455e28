"""What tasks yield, on its way into the journal."""

from __future__ import annotations

from supervisor.broker.connection import Connection
from supervisor.core.book import Book
from supervisor.errors import BadRequestError
from supervisor.journal.journal import Journal
from supervisor.journal.rows import Pieces
from supervisor.wire.remote import RemoteError
from supervisor.wire.talks import Item


class Streams:
    """A part of the service. Items are acknowledged after the commit, and a worker sends only so many ahead of that."""

    def __init__(self, book: Book, journal: Journal) -> None:
        self._book = book
        self._journal = journal
        self._counts: dict[int, int] = {}
        """How many items an attempt has yielded, by its lease."""
        self._rows: list[tuple[object, ...]] = []
        self._told: dict[int, tuple[bytes, int]] = {}
        """What changed in this turn: by lease, the task and its seq."""

    def take(self, connection: Connection, item: Item) -> bool:
        """A worker sends an item; False for one that is not to be answered.

        Nothing counts that comes after the fence, and nothing is answered, so the attempt cannot end before the kill.
        An item that is here already (its answer was lost), or of an attempt that is over, is as good as taken.
        """
        worker = connection.worker
        if worker is None:
            raise RemoteError(BadRequestError, "item: say hello first")
        lease = self._book.leases.get(item.lease)
        if lease is None or lease.worker != worker.number:
            return True
        if lease.fenced is not None:
            return False
        entry = lease.entry
        count = self._counts.get(item.lease)
        if count is None:
            found, known = self._journal.talks.stream(entry.seq)
            count = known if found == item.lease else 0
        if item.number == count:
            self._rows.append((entry.seq, item.lease, item.number, int(item.file), item.data))
            self._told[item.lease] = entry.id, entry.seq
            count += 1
        self._counts[item.lease] = count
        return True

    def collect(self, pieces: Pieces, ended: list[int]) -> None:
        """Move what is to be written to ``pieces``."""
        if self._rows:
            pieces.items, self._rows = self._rows, []
            for lease, (task_id, seq) in self._told.items():
                pieces.streams.append((seq, lease, self._counts[lease]))
                pieces.talked.add(task_id)
            self._told = {}
        if self._counts:
            for lease in ended:
                self._counts.pop(lease, None)
