"""Huey with SQLite."""

from __future__ import annotations

from huey import SqliteHuey

from scripts.benchmarks.peer import FOLDER
from scripts.benchmarks.peers.huey_base import HueyPeer

huey = SqliteHuey("bench", filename=str(FOLDER / "huey.db"))
PEER = HueyPeer(
    huey, "huey_sqlite", "outlives any process (SQLite WAL)", "two processes, no periodic tasks; results in SQLite"
)
