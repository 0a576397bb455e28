"""The owners of a tree of processes: those for whom it runs, and with the last of whom it ends.

An owner is a Gunicorn arbiter, or the ``supervisor run`` that stands alone. There can be two for a while (USR2 starts
a new arbiter beside the old one); whoever came last and still lives decides which code runs. They are files in the
directory, so that whichever process starts anew can read who they are.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from supervisor import __version__
from supervisor.launch import Spec, environment
from supervisor.system.proc import Identity, identity, is_alive

_LIMITS = [value for name, value in sorted(vars(resource).items()) if name.startswith("RLIMIT_")]


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that owns the tree, and what it wants run."""

    who: Identity
    joined_at: float
    """Wall-clock seconds; orders owners."""
    spec: Spec
    origin: str
    """Stands for all that a process which it starts has from it."""

    @property
    def file_name(self) -> str:
        """Unique, even after a pid was used again."""
        return f"{self.who.pid}-{self.who.start}.json"


def origin() -> str:
    """Stands for all that a process we start has from us and not from a spec: where two owners have the same, what
    one has started is what the other would have started.
    """
    output = os.fstat(2)
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        cgroup = file.read()
    inherited = [
        sys.version,
        sys.executable,
        __version__,
        sorted(environment().items()),
        (os.geteuid(), os.getegid(), sorted(os.getgroups())),
        (output.st_dev, output.st_ino),
        cgroup,
        [resource.getrlimit(each) for each in _LIMITS],
    ]
    return hashlib.sha256(repr(inherited).encode()).hexdigest()


def join(folder: Path, spec: Spec) -> Owner:
    """Write down that this process is an owner (again: with another spec); the record."""
    who = identity(os.getpid())
    assert who is not None
    owner = Owner(who, time.time(), spec, origin())
    record = {"joined_at": owner.joined_at, "spec": spec.to_json(), "origin": owner.origin}
    temporary = folder / f".{owner.file_name}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(record, file)
    if os.geteuid() == 0:  # the tree may run as another user, and our umask may keep that one from reading it
        place = folder.stat()
        os.chown(temporary, place.st_uid, place.st_gid)
    temporary.replace(folder / owner.file_name)
    return owner


def leave(folder: Path) -> None:
    """This process is an owner no more."""
    who = identity(os.getpid())
    if who is not None:
        (folder / f"{who.pid}-{who.start}.json").unlink(missing_ok=True)


def living(folder: Path) -> list[Owner]:
    """The owners that live, in the order in which they joined; records of dead ones are removed."""
    found: list[Owner] = []
    for path in folder.glob("*-*.json"):
        if path.name.startswith("."):
            continue
        owner = _read(path)
        if owner is None:
            continue
        if is_alive(owner.who):
            found.append(owner)
        else:
            path.unlink(missing_ok=True)
    return sorted(found, key=lambda owner: owner.joined_at)


def _read(path: Path) -> Owner | None:
    pid, _, start = path.stem.partition("-")
    try:
        record = json.loads(path.read_text())
        spec = Spec.from_json(record["spec"])
        return Owner(Identity(int(pid), int(start)), record["joined_at"], spec, record["origin"])
    except FileNotFoundError:
        return None  # it left between our two looks
    except (OSError, ValueError, KeyError, AssertionError):
        path.unlink(missing_ok=True)
        return None
