"""What settings meet: the CPUs and memory of the machine, the directories of the user and the application."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """`cpus` are those that this process may use; `memory` is in bytes."""

    cpus: frozenset[int]
    memory: int
    home: Path
    application: Path

    @classmethod
    def here(cls, application: Path) -> Host:
        """This machine, for an application in the directory given."""
        return cls(
            cpus=frozenset(os.sched_getaffinity(0)),
            memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            home=_home(),
            application=application,
        )


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a container's user may have neither $HOME nor an entry in passwd
        return Path("/")
