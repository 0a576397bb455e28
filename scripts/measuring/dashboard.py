"""The dashboard: pages of a journal of a million tasks, and what those who listen cost the tasks."""

from __future__ import annotations

import os
import random
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx

from scripts.measuring.rates import drain_rate
from scripts.measuring.tree import running
from supervisor.directory import Directory
from supervisor.ids import ordered_id
from supervisor.journal.migrate import migrate

ROOT = Path(__file__).parent.parent.parent
_LISTENERS = 50
_NAMES = ("shop.mail", "shop.report", "media.thumbnail", "media.encode", "billing.invoice", "billing.remind")
_QUEUES = ("default", "default", "default", "media", "mail")
_DAY = 86400.0
_ASKED = {
    "the first page": {},
    "one state, one task in 100": {"state": "failed"},
    "waiting": {"state": ["queued", "scheduled", "running"]},
    "a queue and a pattern": {"queue": "media", "name": "billing.*"},
    "an hour, half a day ago": {"since": -0.5 * _DAY, "until": -0.5 * _DAY + 3600},
    "a text in one message": {"search": "needle"},
    "a text that is nowhere": {"search": "no such thing"},
    "a state that nothing is in": {"state": "lost"},
    "dead letters": None,
}


def pages(tasks: int) -> dict[str, tuple[list[float], int, int]]:
    """By what is asked: seconds of each page from the first to the last (of 40 at most), rows, and how many pages."""
    with tempfile.TemporaryDirectory(prefix="measure-") as folder:
        directory = Directory(Path(folder) / "sv")
        directory.prepare()
        fill(directory.journal, tasks)
        with served(directory) as url, httpx.Client(base_url=url, timeout=60.0) as client:
            client.get("/api/tasks")
            return {name: _walk(client, asked) for name, asked in _ASKED.items()}


def _walk(client: httpx.Client, asked: dict[str, object] | None) -> tuple[list[float], int, int]:
    path, cursor, rows = ("/api/tasks" if asked is not None else "/api/dead"), None, 0
    times: list[float] = []
    while len(times) < 40:
        params = {**(asked or {}), **({"cursor": cursor} if cursor else {})}
        start = time.perf_counter()
        answer = client.get(path, params=params).raise_for_status()  # type: ignore[arg-type]
        times.append(time.perf_counter() - start)
        told = answer.json()
        rows += len(told["tasks"])
        cursor = told["cursor"]
        if cursor is None:
            break
    return times, rows, len(times)


def fill(journal: Path, tasks: int) -> None:
    """A journal with so many tasks of the last day: most have succeeded, one in 100 failed, the last 1,000 wait."""
    chance = random.Random(1)
    begin = time.time() - _DAY
    with closing(sqlite3.connect(journal)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        migrate(connection)
        with connection:
            connection.executemany(
                "INSERT INTO tasks (seq, id, name, state, priority, generation, lease, worker, pid, failures, crashes,"
                " aborts, files, created_at, started_at, ended_at, options, payload, result, queue)"
                " VALUES (?, ?, ?, ?, 0, 1, ?, 1, 4711, ?, 0, 0, 0, ?, ?, ?, '{}', ?, ?, ?)",
                _rows(tasks, begin, chance),
            )
            connection.execute(
                "INSERT INTO attempts SELECT seq, lease, 1, 1, pid, started_at, ended_at, 'exception', 'ValueError',"
                " CASE seq WHEN ? THEN 'a Needle in it' ELSE 'as always' END, 'Traceback', NULL FROM tasks"
                " WHERE state = 'failed'",
                (tasks // 200 * 100,),
            )
            connection.execute("INSERT INTO dead_letters SELECT ended_at, id, name FROM tasks WHERE state = 'failed'")
            connection.execute("INSERT INTO open_blocks SELECT DISTINCT seq >> 10 FROM tasks WHERE ended_at IS NULL")


def _rows(tasks: int, begin: float, chance: random.Random) -> Iterator[tuple[object, ...]]:
    payload = b"p" * 200
    for seq in range(1, tasks + 1):
        at = begin + _DAY * seq / tasks
        task_id = ordered_id(int(at * 1000), chance.getrandbits(74))
        waits, failed = seq > tasks - 1000, seq % 100 == 0
        state = "queued" if waits else "failed" if failed else "succeeded"
        times = (at, None, None) if waits else (at, at + 0.01, at + 0.1)
        result = b"r" * 50 if state == "succeeded" else None
        name, queue = _NAMES[chance.randrange(len(_NAMES))], _QUEUES[chance.randrange(len(_QUEUES))]
        yield (
            seq,
            task_id,
            name,
            state,
            0 if waits else seq,
            int(failed and not waits),
            *times,
            payload,
            result,
            queue,
        )


def listeners(rounds: int, tasks: int) -> list[float]:
    """Drain rates with fifty event streams open, to those of the same tree without, in turn."""
    ratios: list[float] = []
    with running(workers=2, durability="normal", cpus="off") as tree, served(tree.directory) as url:
        for number in range(rounds):
            found: dict[bool, float] = {}
            for listened in (True, False) if number % 2 else (False, True):
                if listened:
                    with listening(url):
                        found[listened] = drain_rate(tree, tasks)[0]
                else:
                    found[listened] = drain_rate(tree, tasks)[0]
            ratios.append(found[True] / found[False])
    return ratios


@contextmanager
def listening(url: str) -> Iterator[None]:
    """Fifty dashboards open, each of which has had something."""
    address = url.removeprefix("http://").split(":")
    streams = [socket.create_connection((address[0], int(address[1]))) for _ in range(_LISTENERS)]
    ended = threading.Event()
    reader = threading.Thread(target=_read, args=(streams, ended))
    for stream in streams:
        stream.sendall(b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        stream.settimeout(20.0)
        while b"event: overview" not in stream.recv(65536):
            pass
        stream.setblocking(False)
    reader.start()
    try:
        yield
    finally:
        ended.set()
        reader.join()
        for stream in streams:
            stream.close()


def _read(streams: list[socket.socket], ended: threading.Event) -> None:
    """As browsers do, each second; by one thread, for it is the server that is measured."""
    while not ended.wait(0.5):
        for stream in streams:
            try:
                while stream.recv(1 << 20):
                    pass
            except BlockingIOError:
                continue


@contextmanager
def served(directory: Directory) -> Iterator[str]:
    """``supervisor web`` in a process; its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        bind = f"127.0.0.1:{probe.getsockname()[1]}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SUPERVISOR_")}
    command = [sys.executable, "-m", "supervisor", "web", "--dir", str(directory), "--bind", bind]
    process = subprocess.Popen(command, cwd=ROOT, env=kept, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"http://{bind}/livez", timeout=5.0)
                break
            except httpx.HTTPError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
        yield f"http://{bind}"
    finally:
        process.terminate()
        process.wait(20)
