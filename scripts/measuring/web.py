"""What a submit costs a request, and what burning tasks cost one, under Gunicorn with uvicorn's worker."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from scripts.benchmarks.servers import redis
from scripts.measuring.figures import percentile
from scripts.measuring.load import Load
from scripts.measuring.workload import BURN

_ROOT = Path(__file__).parent.parent.parent
_CONFIG = """
bind = "127.0.0.1:{port}"
wsgi_app = "scripts.measuring.site:app"
worker_class = "uvicorn_worker.UvicornWorker"
workers = 1
loglevel = "error"
control_socket_disable = True
from supervisor.gunicorn import attach
attach(globals(), **{settings!r})
"""
_RATE = 200.0
_BURNS = 1.2 / BURN
"""A second: more than one CPU can do."""


@contextmanager
def serving(environment: dict[str, str] | None = None, **settings: Any) -> Iterator[int]:
    """A Gunicorn with a supervisor; its port."""
    folder = Path(tempfile.mkdtemp(prefix="measure-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    chosen = {"dir": str(folder / "sv"), "tasks": "scripts.measuring.workload", "log_level": "error", **settings}
    (folder / "config.py").write_text(_CONFIG.format(port=port, settings=chosen))
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", str(folder / "config.py")],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT), "SUPERVISOR_DIR": str(folder / "sv"), **(environment or {})},
        start_new_session=True,
    )
    try:
        _wait_answer(port)
        yield port
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_answer(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            Load(port, "/submit", 10.0).run(0.5)
            return
        except (OSError, AssertionError, EOFError):
            time.sleep(0.1)
    raise TimeoutError("the web server does not answer")


def submits(rounds: int, seconds: float) -> tuple[list[float], list[float]]:
    """The p99 of requests without a submit and with one, round by round in turn."""
    without, with_submit = [], []
    with serving(workers=1, durability="normal") as port:
        for _ in range(rounds):
            without.append(percentile(Load(port, "/plain", _RATE).run(seconds), 0.99))
            with_submit.append(percentile(Load(port, "/submit", _RATE).run(seconds), 0.99))
    return without, with_submit


def isolation(rounds: int, seconds: float) -> dict[str, list[float]]:
    """The p99 of plain requests, idle and while as much CPU is burnt as there is, in each of the ways of the site.

    In Celery where that is installed, as ``scripts/bench`` does.
    """
    found: dict[str, list[float]] = {"idle": []}
    arms, environment = ["supervisor", "background", "threads"], {}
    with ExitStack() as stack:
        if importlib.util.find_spec("celery"):
            environment = {"BENCH_REDIS": stack.enter_context(_celery())}
            arms.append("celery")
        port = stack.enter_context(serving(environment, workers=1, durability="normal"))
        for _ in range(rounds):
            found["idle"].append(percentile(Load(port, "/plain", _RATE).run(seconds), 0.99))
            for arm in arms:
                found.setdefault(arm, []).append(_under(port, arm, seconds))
    return found


def under_wrk(rounds: int, seconds: int, connections: int) -> tuple[list[float], list[float]]:
    """The p99 in seconds of plain requests by wrk, as many as there can be: idle, and while the worker burns CPU."""
    idle, burning = [], []
    with serving(workers=1, durability="normal") as port:
        for _ in range(rounds):
            idle.append(_wrk(port, seconds, connections))
            Load(port, "/burn?in=supervisor", _RATE).run((seconds + 1) / BURN / _RATE)
            burning.append(_wrk(port, seconds, connections))
            time.sleep(2)  # what is left is burnt
    return idle, burning


def _wrk(port: int, seconds: int, connections: int) -> float:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", f"http://127.0.0.1:{port}/plain"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", said)
    assert found is not None, said
    return float(found[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[found[2]]


@contextmanager
def _celery() -> Iterator[str]:
    """A Redis and a worker with one process; the path of the socket of the former."""
    folder = Path(tempfile.mkdtemp(prefix="measure-"))
    with redis(folder) as place:
        command = ["-m", "celery", "-A", "scripts.measuring.celery_burn", "worker", "-c", "1", "--loglevel", "ERROR"]
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=_ROOT,
            env={**os.environ, "BENCH_REDIS": place, "PYTHONPATH": str(_ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            time.sleep(5)  # until it listens; what is sent before waits
            yield place
        finally:
            process.terminate()
            process.wait(30)
    shutil.rmtree(folder, ignore_errors=True)


def _under(port: int, arm: str, seconds: float) -> float:
    async def both() -> list[float]:
        burns, plain = Load(port, f"/burn?in={arm}", _BURNS), Load(port, "/plain", _RATE)
        return (await asyncio.gather(plain.go(seconds), burns.go(seconds)))[0]

    times = asyncio.run(both())
    time.sleep(1 + seconds / 2)  # what waits is burnt before the next
    return percentile(times, 0.99)
