"""Following the owners by pidfd: whoever dies, however it dies, is noticed at once."""

from __future__ import annotations

import os
import select
import time
from enum import Enum, auto

from supervisor import owners
from supervisor.directory import Directory
from supervisor.errors import SupervisorError
from supervisor.launch import Spec
from supervisor.owners import Owner


class NoOwnerError(SupervisorError):
    """A master was started for nobody."""

    def __init__(self, directory: Directory) -> None:
        super().__init__(f"nobody that lives owns the supervisor of {directory}")


class Change(Enum):
    """What :meth:`Ownership.read` found."""

    NOTHING = auto()
    LEFT = auto()
    """Somebody is an owner no more, and lives."""
    DIED = auto()
    """Somebody has died, who was an owner or has been one."""


class Ownership:
    """The living owners of a directory; NoOwnerError when there is none to begin with."""

    def __init__(self, directory: Directory) -> None:
        self.since = time.time()
        self._folder = directory.owners
        self._owners: dict[str, Owner] = {}
        self._pidfds: dict[str, int] = {}
        """Of the owners, and of those who have left and live: they wait for our end."""
        self.last: Owner | None = None
        """Who was the newest before the last look, or before the look that found nobody."""
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

    def read(self) -> Change:
        """Look again who there is."""
        living = {owner.file_name: owner for owner in owners.living(self._folder)}
        for name, owner in list(living.items()):
            if name not in self._pidfds:
                try:
                    self._pidfds[name] = os.pidfd_open(owner.who.pid)
                except ProcessLookupError:
                    del living[name]  # it has joined and died between two looks
        left = self._owners.keys() - living.keys()
        self.last = self.newest or self.last
        self._owners = living
        return Change.DIED if self._forget_dead() else Change.LEFT if left else Change.NOTHING

    def _forget_dead(self) -> bool:
        poller = select.poll()
        for descriptor in self._pidfds.values():
            poller.register(descriptor, select.POLLIN)
        dead = {descriptor for descriptor, _ in poller.poll(0)}
        for name in [name for name, descriptor in self._pidfds.items() if descriptor in dead]:
            os.close(self._pidfds.pop(name))
            self._owners.pop(name, None)
        return bool(dead)
