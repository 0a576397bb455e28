"""The template from the master's point of view: one a generation of code."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from supervisor.launch import Spec, Started, spec_file, start
from supervisor.scoreboard import Scoreboard
from supervisor.wire.channel import Channel


@dataclass(frozen=True, slots=True)
class Shared:
    """What the master shares with broker, templates and workers."""

    board: Scoreboard
    wake: int
    """Wakes the master: a worker is ready, or a deadline has come that is earlier than it knows of."""
    bell: int = field(default_factory=lambda: os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK))
    """Rung by workers that have sent their last report of several, for the broker to read them all at once."""


@dataclass(slots=True, eq=False)
class TemplateHandle:
    """A template's process, and what it said of the application."""

    generation: int
    spec: Spec
    bare: bool
    """It imports nothing: what the application opens at import must not be shared by a fork."""
    process: Started
    channel: Channel
    started_ns: int
    deadline_ns: int
    imported: bool = False
    seconds: float = 0.0
    obstacles: list[str] = field(default_factory=list)
    sources: dict[str, float] = field(default_factory=dict)
    stopped_ns: int = 0
    names: int | None = None
    """The file with what its code has registered."""

    def close(self) -> None:
        """It is gone."""
        self.channel.close()
        os.close(self.process.pidfd)
        if self.names is not None:
            os.close(self.names)
            self.names = None


def start_template(
    spec: Spec, generation: int, shared: Shared, *, bare: bool, times: tuple[int, int]
) -> TemplateHandle:
    """Start a template; ``times`` are now and its deadline for importing, in monotonic nanoseconds."""
    ours, theirs = Channel.pair()
    ours.socket.setblocking(False)
    described = spec_file(spec)
    descriptors = [theirs.fileno(), shared.board.descriptor, shared.wake, shared.bell, described]
    names = ("channel", "board", "wake", "bell", "spec")
    arguments = [f"--{name}={descriptor}" for name, descriptor in zip(names, descriptors, strict=True)]
    arguments += [f"--master={os.getpid()}", f"--generation={generation}", *(["--bare"] if bare else [])]
    process = start("supervisor.template", arguments, descriptors)
    theirs.close()
    os.close(described)
    return TemplateHandle(generation, spec, bare, process, ours, *times)
