"""Following the owners by pidfd: whoever dies, however it dies, is noticed at once."""

from __future__ import annotations

import os
import time

from supervisor import owners
from supervisor.directory import Directory
from supervisor.errors import SupervisorError
from supervisor.launch import Spec
from supervisor.owners import Owner


class NoOwnerError(SupervisorError):
    """A master was started for nobody."""

    def __init__(self, directory: Directory) -> None:
        super().__init__(f"nobody that lives owns the supervisor of {directory}")


class Ownership:
    """The living owners of a directory; NoOwnerError when there is none to begin with."""

    def __init__(self, directory: Directory) -> None:
        self.since = time.time()
        self._folder = directory.owners
        self._owners: dict[str, Owner] = {}
        self._pidfds: dict[str, int] = {}
        self.read()
        if self.newest is None:
            raise NoOwnerError(directory)

    @property
    def newest(self) -> Owner | None:
        """Whoever joined last and lives: its code runs."""
        return max(self._owners.values(), key=lambda owner: owner.joined_at, default=None)

    @property
    def spec(self) -> Spec:
        """What the newest wants run."""
        newest = self.newest
        assert newest is not None
        return newest.spec

    def names(self) -> list[str]:
        """Who they are, for comparing."""
        return list(self._owners)

    def pids(self) -> list[int]:
        """Who they are, for people."""
        return [owner.who.pid for owner in self._owners.values()]

    def descriptors(self) -> list[int]:
        """Pidfds; one becomes readable when its owner dies."""
        return list(self._pidfds.values())

    def read(self) -> bool:
        """Look again who there is; whether one that is no longer there has died (and not left of its own will)."""
        folder = {path.name for path in self._folder.iterdir()}
        living = {owner.file_name: owner for owner in owners.living(self._folder)}
        died = any(name in folder for name in self._owners if name not in living)
        for name in [name for name in self._pidfds if name not in living]:
            os.close(self._pidfds.pop(name))
        for name, owner in living.items():
            if name not in self._pidfds:
                try:
                    self._pidfds[name] = os.pidfd_open(owner.who.pid)
                except ProcessLookupError:
                    died = True
                    continue
            self._owners[name] = owner
        self._owners = {name: owner for name, owner in self._owners.items() if name in self._pidfds}
        return died
