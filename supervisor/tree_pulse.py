"""How a tree fares, in one look and one line: what its owner tells systemd."""

from __future__ import annotations

from dataclasses import dataclass

from supervisor.directory import Directory
from supervisor.errors import QueueUnavailableError
from supervisor.master.control import Answer, ask

_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class TreePulse:
    """What a master that answers says of itself; the fields are those of ``supervisor.master.status.pulse``."""

    alive: bool
    """Whether there is a broker."""
    serving: bool
    """Whether it answers; not before it has read the journal."""
    silent: float
    """Seconds for which the broker's loop has not turned."""
    newest: int
    """The generation of the code that is wanted."""
    judged: int
    """The newest of which is known whether it can be imported."""
    imported: int
    """The one that runs; 0 for none."""
    error: str
    wanted: int
    ready: int
    unfinished: int
    held: int
    draining: bool

    @classmethod
    def of(cls, answer: Answer) -> TreePulse:
        """What the master has answered; ValueError where it is none of this release."""
        try:
            return cls(**answer)  # type: ignore[arg-type]
        except TypeError as error:
            raise ValueError(f"no pulse: {error}") from error

    def well(self, silence: float) -> bool:
        """Whether the broker's loop turns, or it reads a deep queue: a sign of life within so many seconds."""
        return self.alive and self.silent <= silence

    @property
    def settled(self) -> bool:
        """Whether it is known of the newest code if it can be imported."""
        return self.judged >= self.newest

    @property
    def started(self) -> bool:
        """Whether all has been done that a start can do: tasks are taken in, and run or cannot run for a reason that
        waiting does not mend.
        """
        return self.serving and (self.ready > 0 or (self.settled and not self.imported))

    @property
    def status(self) -> str:
        """One line: the reason why no task runs, where none can; else who works at what."""
        waiting = max(0, self.unfinished - self.held)  # two words, which a broker writes one after the other
        work = f"{self.held:,} running, {waiting:,} waiting"
        if not self.serving:
            return "no task can run: the broker is starting"
        if self.draining:
            return f"draining: {work}"
        if not self.imported and not self.ready:
            return f"no task can run, {waiting:,} waiting: {self._outcome('the application')}"
        workers = f"{self.ready} of {self.wanted} workers ready; {work}"
        # A template that has died imports anew what the workers have: that is no new code, unless it fails.
        new = self.error or not self.settled or 0 < self.imported < self.newest
        return f"{workers}; {self._outcome('the new code')}" if new else workers

    def _outcome(self, what: str) -> str:
        return f"{what} cannot be imported: {_last(self.error)}" if self.settled else f"{what} is being imported"


def look(directory: Directory, timeout: float) -> TreePulse | None:
    """One look; None when no master answers within ``timeout`` seconds."""
    try:
        return TreePulse.of(ask(directory, "pulse", timeout=timeout))
    except (QueueUnavailableError, ValueError):
        return None


def _last(reason: str) -> str:
    """The last line of a traceback, which names the fault."""
    lines = reason.strip().splitlines() or ["its process died"]
    return lines[-1][:_LONGEST_REASON]
