"""What the machine itself can do: the yardsticks beside our figures."""

from __future__ import annotations

import os
import socket
import sqlite3
import statistics
import tempfile
import time
from multiprocessing import Pool
from pathlib import Path

from scripts.measuring.workload import pool_noop


def ping_pong(seconds: float = 0.5) -> list[float]:
    """Round-trip times in seconds of 64 bytes over a Unix socket between two processes."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        while data := theirs.recv(64):
            theirs.sendall(data)
        os._exit(0)
    theirs.close()
    times: list[float] = []
    until = time.perf_counter() + seconds
    message = b"x" * 64
    while (start := time.perf_counter()) < until:
        ours.sendall(message)
        ours.recv(64)
        times.append(time.perf_counter() - start)
    ours.close()
    os.waitpid(child, 0)
    return times


def sqlite_commits(level: str, seconds: float = 0.5) -> float:
    """Commits of one row a second, in WAL mode."""
    with tempfile.TemporaryDirectory(prefix="measure-") as folder:
        connection = sqlite3.connect(Path(folder) / "t.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {level}")
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)")
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            connection.execute("INSERT INTO t (b) VALUES (?)", (b"x" * 100,))
            count += 1
        rate = count / (time.perf_counter() - start)
        connection.close()
    return rate


def forks(seconds: float = 0.5) -> float:
    """Processes a second that are forked, end, and are waited for."""
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        count += 1
    return count / (time.perf_counter() - start)


def pool_rate(tasks: int, workers: int) -> float:
    """No-op tasks a second through multiprocessing.Pool: apply_async, one result a task."""
    with Pool(workers) as pool:
        pool.apply(pool_noop)
        start = time.perf_counter()
        for result in [pool.apply_async(pool_noop) for _ in range(tasks)]:
            result.get()
        return tasks / (time.perf_counter() - start)


def median_round_trip() -> float:
    """The median of :func:`ping_pong`."""
    return statistics.median(ping_pong())


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used, to the nanosecond."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e9


def wakes(pid: int) -> int:
    """How often a process, in any of its threads, has gone to sleep, and so was woken."""
    found = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        found += int(status.read_text().partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return found
