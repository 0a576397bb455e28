"""The end of a tree: drained within a grace, then workers first, the broker last, which writes their ends down."""

from __future__ import annotations

from supervisor.log import log
from supervisor.master.broker import BrokerHandle
from supervisor.master.executioner import Executioner
from supervisor.master.generations import Generations
from supervisor.master.leaving import Leave, Reason
from supervisor.master.pool import Pool
from supervisor.states import Cause

_END_NS = 5_000_000_000
_HEIR_NS = 2_000_000_000
_WHY = Leave(Reason.SHUTDOWN, "the supervisor stops")


class Ending:
    """Nothing at first; after :meth:`begin` the way to the end."""

    def __init__(self, pool: Pool, broker: BrokerHandle, generations: Generations, executioner: Executioner) -> None:
        self._pool = pool
        self._broker = broker
        self._generations = generations
        self._executioner = executioner
        self.until_ns: int | None = None
        """Running tasks have until then; None while work is handed out."""
        self.heir_ns: int | None = None
        """An heir is waited for until then, with every worker that lives; None when none may come."""
        self._closing_ns = 0

    @property
    def begun(self) -> bool:
        """Whether nothing is handed out any more."""
        return self.until_ns is not None

    @property
    def closing(self) -> bool:
        """Whether the workers are gone, and the rest is to follow."""
        return self._closing_ns > 0

    def begin(self, grace: float, now: int) -> None:
        """Hand out nothing more, let what runs end within ``grace`` seconds, stop and put back the rest.

        Called again it can only shorten the grace.
        """
        self.heir_ns = None
        if self.until_ns is None:
            log.info("draining: running tasks have %g s", grace)
            self._broker.drain()
        until = now + int(grace * 1e9)
        self.until_ns = min(self.until_ns or until, until)

    def await_heir(self, grace: float, now: int) -> None:
        """Drain like :meth:`begin`, since the owner has died; whoever starts it again soon finds the tree whole.

        Until then idle workers stay, for what is forked and imported is most of what a start takes.
        """
        self.begin(grace, now)
        self.heir_ns = now + min(_HEIR_NS, int(grace * 1e9))

    def call_off(self) -> None:
        """An heir has come: work is handed out again."""
        self.until_ns = self.heir_ns = None
        self._broker.resume()

    def disinherit(self) -> None:
        """Whoever came cannot go on with what there is: it need not wait for its own longer than it takes."""
        self.heir_ns = None

    @property
    def inheritable(self) -> bool:
        """Whether it ends since its owner died, and has not got so far that it could not go on."""
        return self.heir_ns is not None and not self.closing

    def next_ns(self, now: int) -> int | None:
        """When :meth:`advance` has something to do of itself."""
        return self.heir_ns if self.heir_ns is not None and now < self.heir_ns else self.until_ns

    def advance(self, now: int) -> bool:
        """Do the next thing on the way; whether everything has ended."""
        if self.until_ns is None:
            return False
        if self._pool.workers:
            if self.heir_ns is None or now >= self.heir_ns:
                self._end_workers(now, self.until_ns)
            return False
        if not self.closing:
            self._closing_ns = now
            self._generations.close()
        if self._broker.process is None:
            return True
        late = now - self._closing_ns
        if self._broker.all_buried or late > _END_NS:
            self._broker.stop()
        if late > 2 * _END_NS:
            self._broker.kill("does not end")
        return False

    def _end_workers(self, now: int, until: int) -> None:
        for handle in self._pool:
            self._pool.retire(handle, _WHY)
            if now >= until:
                self._executioner.condemn(handle, Cause.SHUTDOWN, "the supervisor stopped", now)
