"""Private servers that peers need, on Unix sockets in a temporary folder."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A redis-server that writes nothing to disk, as Redis comes for queues; the path of its socket."""
    place = folder / "redis.sock"
    arguments = ["--port", "0", "--unixsocket", str(place), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen(["redis-server", *arguments], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 10
        while not place.exists():
            if time.monotonic() > until:
                raise RuntimeError("redis-server does not start")
            time.sleep(0.01)
        yield str(place)
    finally:
        process.terminate()
        process.wait()
