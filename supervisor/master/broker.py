"""The broker from the master's point of view."""

from __future__ import annotations

import os
import signal
import socket

from supervisor.directory import Directory
from supervisor.launch import Spec, Started, spec_file, start
from supervisor.log import log
from supervisor.master.template import Shared
from supervisor.scoreboard import Header
from supervisor.system.pulse import Pulse
from supervisor.wire.channel import Alive, Channel, Drain, Fence, Gone, Message, Promote, Registered, Roster, Stop

_FIRST_BACKOFF_NS = 100_000_000
_LONGEST_BACKOFF_NS = 30_000_000_000
_LONGEST_AFTER_KILL_NS = 400_000_000
_STEADY_NS = 10_000_000_000


class BrokerHandle:
    """Starts the broker, brings it back, and tells a new one what the old one knew."""

    def __init__(self, directory: Directory, listener: socket.socket, shared: Shared) -> None:
        self._directory = directory
        self._listener = listener
        self._shared = shared
        self._stopping = False
        self.process: Started | None = None
        self.channel: Channel | None = None
        self.draining = False
        self._told_draining = True
        self.promoted = 0
        self.restarts = 0
        self._names: tuple[int, int] | None = None
        """The file with the names that are registered, and the generation that has registered them."""
        self._told = True
        self._gone: dict[int, Gone] = {}
        """Deaths that no broker has confirmed yet."""
        self._started_ns = 0
        self._pulse = Pulse()
        self._backoff_ns = 0
        self.start_ns = 0
        """When the next one may be started."""

    @property
    def pid(self) -> int:
        """0 while there is none."""
        return self.process.pid if self.process else 0

    def start(self, spec: Spec, alive: list[Alive], fences: list[Fence], now_ns: int) -> None:
        """Start one. The first things it hears: who died, who is being killed, who lives, whether work is handed out
        at all. It hears it before any worker can report.
        """
        ours, theirs = Channel.pair()
        ours.socket.setblocking(False)
        described = spec_file(spec)
        for word in (Header.BROKER_BEAT_NS, Header.SERVING):
            self._shared.board.put(word, 0)
        descriptors = [
            self._listener.fileno(),
            theirs.fileno(),
            self._shared.board.descriptor,
            self._shared.wake,
            self._shared.bell,
            described,
        ]
        names = ("listener", "channel", "board", "wake", "bell", "spec")
        arguments = [f"--{name}={descriptor}" for name, descriptor in zip(names, descriptors, strict=True)]
        arguments += [f"--master={os.getpid()}", f"--dir={self._directory}"]
        self.process = start("supervisor.broker", arguments, descriptors)
        self.channel = ours
        self._started_ns = now_ns
        self._pulse = Pulse()
        theirs.close()
        os.close(described)
        for gone in self._gone.values():
            ours.send(gone)
        for fence in fences:
            ours.send(fence)
        if self.draining:
            self._tell_draining()
        ours.send(Roster(alive))
        if self.promoted:
            ours.send(Promote(self.promoted))
        self._told = False
        self.repeat_names()

    def send(self, message: Message, descriptors: list[int] | None = None) -> bool:
        """Say something; False when there is no broker to hear it."""
        return self.channel is not None and self.channel.send(message, descriptors)

    def gone(self, gone: Gone) -> None:
        """A worker is dead: say so until a broker confirms it."""
        self._gone[gone.worker] = gone
        self.send(gone)

    def remind(self) -> None:
        """Say again what it has not confirmed: its ears may have been full."""
        for gone in self._gone.values():
            self.send(gone)
        if not self._told_draining:
            self._tell_draining()

    def buried(self, worker: int) -> None:
        """It is in the journal."""
        self._gone.pop(worker, None)

    @property
    def all_buried(self) -> bool:
        """Whether every death is in the journal."""
        return not self._gone

    def drain(self) -> None:
        """Nothing is to be handed out any more, by this broker or a later one."""
        self.draining = True
        self._tell_draining()

    def resume(self) -> None:
        """Things are handed out again."""
        self.draining = False
        self._tell_draining()

    def _tell_draining(self) -> None:
        self._told_draining = self.send(Drain(self.draining))

    def promote(self, generation: int) -> None:
        """Living workers serve as this generation, with this broker and a later one."""
        self.promoted = generation
        self.send(Promote(generation))

    def tell_names(self, file: int, generation: int) -> None:
        """These names are registered from now on, for this broker and a later one."""
        if self._names is not None:
            os.close(self._names[0])
        self._names = os.dup(file), generation
        self._told = False
        self.repeat_names()

    def repeat_names(self) -> None:
        """Say them again, if nobody has heard them yet."""
        if self._names is not None and not self._told:
            file, generation = self._names
            self._told = self.send(Registered(generation), [file])

    def stop(self) -> None:
        """Ask it to close and leave."""
        self._stopping = True
        self.send(Stop())

    def kill(self, why: str) -> None:
        """End it now; it is replaced when it is reaped."""
        if self.process is not None:
            log.error("the broker (pid %d) %s: killed", self.pid, why)
            signal.pidfd_send_signal(self.process.pidfd, signal.SIGKILL)

    def ended(self, status: int, now_ns: int) -> None:
        """It was reaped: say when the next one may start. One that was killed may be well, and is soon replaced."""
        if not self._stopping:
            log.error("the broker (pid %d) died: a new one is started", self.pid)
        if self.process is not None:
            os.close(self.process.pidfd)
        if self.channel is not None:
            self.channel.close()
        self.process = self.channel = None
        self.restarts += 1
        if now_ns - self._started_ns > _STEADY_NS:
            self._backoff_ns = 0
        self.start_ns = now_ns + self._backoff_ns
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        longest = _LONGEST_AFTER_KILL_NS if killed else _LONGEST_BACKOFF_NS
        self._backoff_ns = min(longest, max(_FIRST_BACKOFF_NS, 2 * self._backoff_ns))

    def next_ns(self) -> int | None:
        """When one is to be started; None while one runs."""
        return self.start_ns if self.process is None else None

    def silent_ns(self, now_ns: int) -> int:
        """How long it has not moved; loading a deep queue counts from its start."""
        return self._pulse.silent_ns(self._shared.board.get(Header.BROKER_BEAT_NS), now_ns) if self.process else 0
