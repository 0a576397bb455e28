"""Private servers that peers need, on Unix sockets in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
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


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL server as it comes, which syncs each commit; the folder of its socket.

    In a folder of its own, since it refuses to run as root and another user has to get there.
    """
    folder = Path(tempfile.mkdtemp(prefix="bench-pg-"))
    user = pwd.getpwnam("postgres" if os.geteuid() == 0 else pwd.getpwuid(os.getuid()).pw_name)
    os.chown(folder, user.pw_uid, user.pw_gid)
    options = {"user": user.pw_uid, "group": user.pw_gid} if os.geteuid() == 0 else {}
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    data = folder / "data"
    try:
        begin = [programs / "initdb", "-D", data, "-U", "postgres", "--auth", "trust", "-E", "UTF8", "--locale", "C"]
        subprocess.run(begin, check=True, stdout=subprocess.DEVNULL, cwd=folder, **options)
        arguments = [programs / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses="]
        process = subprocess.Popen(
            arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **options
        )
        try:
            ready = [programs / "pg_isready", "-q", "-h", folder]
            until = time.monotonic() + 20
            while subprocess.run(ready, check=False).returncode != 0:
                if time.monotonic() > until:
                    raise RuntimeError("PostgreSQL does not start")
                time.sleep(0.05)
            yield str(folder)
        finally:
            process.send_signal(signal.SIGINT)  # its fast shutdown
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
