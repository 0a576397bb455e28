"""Gunicorn started by root with ``user`` and ``group``: the tree and its directory are that user's."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from supervisor.system import proc
from tests.support.gunicorns import Gunicorn, both_releases
from tests.support.server import REPOSITORY, Server
from tests.support.waiting import until

# A view of the machine in which everybody may enter the closed folder $1, and finds in it only what is named after it.
_OPEN = """
closed=$1; shift
open=/mnt
mount -t tmpfs -o mode=755 tmpfs "$open"
while [ "$1" != -- ]; do
    mkdir -p "$open/${1#"$closed"/}"
    mount --bind "$1" "$open/${1#"$closed"/}"
    shift
done
shift
mount --rbind "$open" "$closed"
umask 077
exec "$@"
"""
_PLAIN = 'umask 077; exec "$@"'


def wrapping() -> list[str]:
    """Words before a command that let any user reach this Python and this checkout; the umask is a strict one."""
    needed = [Path(sys.base_prefix), Path(sys.prefix), REPOSITORY]
    closed = {folder for path in needed for folder in path.parents if not folder.stat().st_mode & stat.S_IXOTH}
    if not closed:
        return ["sh", "-c", _PLAIN, "sh"]
    (top,) = [folder for folder in closed if not closed & set(folder.parents)][:1]
    inside = [str(path) for path in needed if top in path.parents]
    return ["unshare", "--mount", "sh", "-c", _OPEN, "sh", str(top), *inside, "--"]


@pytest.fixture
def make_nobodys(gunicorn: Gunicorn) -> Iterator[Callable[..., Server]]:
    """Makes servers for the user nobody, in a folder that everybody may read."""
    if os.geteuid() != 0:
        pytest.skip("only root can start Gunicorn for another user")
    wrap = wrapping()
    tried = subprocess.run([*wrap, sys.executable, "-c", ""], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"another user cannot be given this Python: {tried.stderr.strip()}")
    nobody = pwd.getpwnam("nobody")
    with ExitStack() as stack:

        def make(**settings: Any) -> Server:
            folder = Path(tempfile.mkdtemp(prefix="nobodys-"))
            stack.callback(shutil.rmtree, folder)
            folder.chmod(0o755)
            home = folder / "home"
            home.mkdir()
            os.chown(home, nobody.pw_uid, nobody.pw_gid)
            server = Server(folder, gunicorn, dir=home / "sv", **settings)
            server.before = f"user, group = {nobody.pw_uid}, {nobody.pw_gid}"
            server.wrap = wrap
            stack.callback(server.close)
            return server

        yield make


def uids(server: Server) -> set[int]:
    """Whom the processes of the tree run as."""
    server.remember()
    titled = [pid for pid in proc.descendants(server.pid) if "supervisor: " in proc.command(pid)]
    assert len(titled) >= 5
    return {Path(f"/proc/{pid}").stat().st_uid for pid in titled}


@both_releases
def test_the_tree_runs_as_that_user_and_the_directory_is_its_own(make_nobodys: Callable[..., Server]) -> None:
    server, nobody = make_nobodys(), pwd.getpwnam("nobody")
    server.start()
    assert server.get("/who")["uid"] == nobody.pw_uid
    uid, gid, *groups = server.result(server.submit("tests.support.web_tasks:user"))
    assert (uid, gid) == (nobody.pw_uid, nobody.pw_gid)
    assert 0 not in groups
    assert uids(server) == {nobody.pw_uid}
    for path in (server.dir, *server.dir.iterdir(), *(server.dir / "owners").iterdir()):
        assert (path.stat().st_uid, path.stat().st_gid) == (nobody.pw_uid, nobody.pw_gid), path
        assert not path.stat().st_mode & 0o077, path
    assert server.stop() == 0
    server.start()
    assert server.result(server.submit("add", 1, 1)) == 2


def test_its_web_workers_can_start_the_supervisor_again_and_end_with_the_arbiter(
    make_nobodys: Callable[..., Server],
) -> None:
    server = make_nobodys().start()
    for pid in (server.pid_of("guardian"), server.pid_of("master")):
        server.send(signal.SIGKILL, pid)
    assert server.result(server.submit("add", 1, 2)) == 3
    web = server.web_worker_pids()
    server.send(signal.SIGKILL)
    until(lambda: not any(proc.command(pid) for pid in web), "the end of the web workers", 3.0)
    server.wait_gone(15.0)


def test_a_directory_that_is_somebody_elses_is_refused_and_not_given_away(
    make_nobodys: Callable[..., Server],
) -> None:
    server = make_nobodys()
    server.dir.mkdir(mode=0o700)
    server.start(wait=False)
    assert server.wait_end() == 1
    assert server.says("[ERROR]", f"{server.dir} belongs to uid 0", "chown -R"), server.tail()
    assert server.dir.stat().st_uid == 0
