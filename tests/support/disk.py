"""A disk that can lose its power: SQLite's files as they would be found after it, at any moment.

A VFS of apsw's writes down every write, truncation and fsync that SQLite asks for. From that an image is made of each
moment: what was fsynced is there, and of what was not, any part, down to single sectors. (The idea: SQLite's own tests
of crashes, crash.test and writecrash.test.)
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from supervisor.journal.held import Connection, HeldLeases, take_up
from supervisor.journal.journal import Durability, Journal
from supervisor.journal.migrate import migrate

SECTOR = 512


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that was done to a file."""

    path: str
    what: str
    """``write``, ``truncate``, ``sync`` or ``delete``."""
    offset: int = 0
    data: bytes = b""


class Disk(apsw.VFS):
    """Writes down what is done to the files below it."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "")
        self.name = name
        self.deeds: list[Deed] = []

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        super().xDelete(filename, syncdir)
        self.deeds.append(Deed(filename, "delete"))

    def image(self, moment: int, folder: Path, chance: random.Random | None, keep: float) -> None:
        """Write into ``folder`` the files as they are found when power is lost before the deed number ``moment``.

        ``keep`` is the share of the sectors that reached the disk though nobody had asked for it by an fsync.
        """
        deeds = self.deeds[:moment]
        for path in {deed.path for deed in deeds}:
            mine = [deed for deed in deeds if deed.path == path]
            gone = [place for place, deed in enumerate(mine) if deed.what == "delete"]
            if gone:
                mine = mine[gone[-1] + 1 :]  # SQLite had the folder fsynced with it
            if not mine:
                continue
            synced = max((place for place, deed in enumerate(mine) if deed.what == "sync"), default=-1)
            content = bytearray()
            for place, deed in enumerate(mine):
                _apply(content, deed, None if place < synced else chance, keep)
            (folder / Path(path).name).write_bytes(content)


def _apply(content: bytearray, deed: Deed, chance: random.Random | None, keep: float) -> None:
    if deed.what == "truncate":
        if chance is None or chance.random() < keep:
            del content[deed.offset :]
    elif deed.what == "write":
        for start in range(0, len(deed.data), SECTOR):
            if chance is None or chance.random() < keep:
                piece, at = deed.data[start : start + SECTOR], deed.offset + start
                content.extend(bytes(max(0, at + len(piece) - len(content))))
                content[at : at + len(piece)] = piece


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        super().xWrite(data, offset)
        self._disk.deeds.append(Deed(self._path, "write", offset, bytes(data)))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        super().xTruncate(size)
        self._disk.deeds.append(Deed(self._path, "truncate", size))

    def xSync(self, flags: int) -> None:  # noqa: N802
        super().xSync(flags)
        self._disk.deeds.append(Deed(self._path, "sync"))


class _Found:
    """What a statement gave."""

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self._rows = rows

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows[0] if self._rows else None


class _Connection:
    """apsw's connection with the names that the standard library's has."""

    held: HeldLeases | None = None
    relax: Callable[[], None]

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, values: Any = ()) -> _Found:
        if self.held:
            self.write_held()
        return self.run(statement, values)

    def run(self, statement: str, values: Any = ()) -> _Found:
        return _Found(list(self._connection.execute(statement, values)))

    def run_many(self, statement: str, rows: Sequence[Any]) -> None:
        self.executemany(statement, rows)

    def create_function(self, name: str, arguments: int, function: Callable[..., Any]) -> None:
        self._connection.create_scalar_function(name, function, arguments)

    def write_held(self) -> None:
        Connection.write_held(self)  # type: ignore[arg-type]

    def write_leases(self, rows: Sequence[Any]) -> None:
        Connection.write_leases(self, list(rows))  # type: ignore[arg-type]

    def executemany(self, statement: str, rows: Sequence[Any]) -> None:
        for _ in self._connection.executemany(statement, rows):
            pass

    def executescript(self, statements: str) -> None:
        self.execute(statements)

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def close(self) -> None:
        self._connection.close()


class RecordedJournal(Journal):
    """The journal, on such a disk."""

    def __init__(self, path: Path, durability: Durability, disk: Disk) -> None:
        self._disk = disk
        super().__init__(path, durability)

    def _open(self) -> Any:
        connection = _Connection(apsw.Connection(str(self.path), vfs=self._disk.name))
        # apsw's files share no memory: the index of the log is in ours, which changes nothing of what is written.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        for pragma in ("journal_mode = WAL", "wal_autocheckpoint = 0", "cache_size = -32768"):
            connection.execute(f"PRAGMA {pragma}")
        migrate(connection)  # type: ignore[arg-type]
        take_up(connection)  # type: ignore[arg-type]
        connection.held, connection.relax = self._held, lambda: self._settle_durability(durable=False)
        return connection

    def checkpoint(self, kind: str) -> None:
        """Fold the log in."""
        self._connection.execute(f"PRAGMA wal_checkpoint({kind})")
