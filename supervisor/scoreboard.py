"""The scoreboard: a small table in shared memory, one slot a worker (Apache's term).

It lets the master enforce deadlines without asking anyone: the broker writes each claim before it answers it, the
worker writes what it runs, the master reads both. It is an anonymous file (memfd) that the guardian makes and hands
down, so it outlives any one of them, and nothing of it is left when all are gone.

Every word is 64 bits wide and has one writer. Words that belong together stand behind a version that is odd while
they change; a reader that meets an odd or a moving version tries again, and one that finds a writer dead in the
middle of a write is told so (None).
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from enum import IntEnum

MAGIC = 0x53757065_72766973
SLOTS = 2_200
"""Room for the most workers that can be set, those for tasks that wait, and for replacements that overlap them."""
_WORD = 8
_HEADER_WORDS = 16
_SLOT_WORDS = 32
_SIZE = (_HEADER_WORDS + SLOTS * _SLOT_WORDS) * _WORD
_TRIES = 64


class Header(IntEnum):
    """The words of the header."""

    MAGIC = 0
    MASTER_PID = 1
    MASTER_BEAT_NS = 2
    MASTER_WAKE_NS = 3
    """When the master will look next, unless woken."""
    BROKER_BEAT_NS = 4
    TEMPLATE_BEAT_NS = 5
    GUARDIAN_PID = 6
    GENERATION = 7
    """The newest generation of the code; the master writes it before it tells anybody of it."""
    BACKLOG = 8
    """Broker: how many tasks could be handed out, were a worker idle; 0 while one is."""
    GROWS = 9
    """Master: whether it wants to be woken when there is a backlog, since there could be more workers."""
    SINCE_NS = 10
    """Master: the wall-clock nanosecond of the tree's start."""
    MOST_WAITING = 11
    """Master: how many workers may wait for tasks at once."""
    SERVING = 12
    """Broker: 1 once it answers; the master puts it back to 0 for the next one."""
    UNFINISHED = 13
    """Broker, with each beat: how many tasks have not ended."""
    HELD = 14
    """Broker, with each beat: how many of these the workers hold."""
    MASTERS = 15
    """Guardian: how many masters there have been."""


class Word(IntEnum):
    """The words of a slot, by writer."""

    # master
    WORKER = 0
    """The number of the worker that has the slot; 0 for nobody."""
    PID = 1
    SEAT = 24
    """Its place among the workers."""
    DEATH = 25
    """Why the one before it on its seat died: 1 and more by the order of the causes; 0 where none did."""
    DEATH_NS = 26
    """The wall-clock nanosecond of that."""
    # worker
    VERSION = 2
    LEASE = 3
    """The lease started last; it stays after the task ended."""
    SEQ = 4
    STARTED_NS = 5
    DEADLINE_NS = 6
    MEMORY = 7
    """The memory limit of the running task in bytes; 0 for none."""
    RUNNING = 8
    DONE = 9
    """How many tasks this worker has ended."""
    READY_NS = 10
    """When it became ready; 0 before."""
    WAITING = 11
    """Whether the task that it runs waits for another one."""
    # broker
    CLAIM_VERSION = 16
    CLAIM_LEASE = 17
    """The first lease of the last claim."""
    CLAIM_DEADLINE_NS = 18
    REVOKED_FROM = 19
    """Leases from this one on must not be started any more; 0 for none."""
    CANCEL_LEASE = 20
    """The lease that is to be cancelled; 0 for none."""
    READING = 21
    """The lease whose raw output it is reading in this very moment; 0 for none."""


@dataclass(frozen=True, slots=True)
class Running:
    """What a worker says of the task it started last."""

    lease: int
    seq: int
    started_ns: int
    deadline_ns: int
    memory: int
    running: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """What the broker says of the claim it answered last."""

    lease: int
    deadline_ns: int


@dataclass(frozen=True, slots=True)
class Held:
    """What a worker holds: what it runs, or what it was given and has not begun."""

    lease: int
    """0 for nothing."""
    deadline_ns: int
    """The monotonic nanosecond at which it is due; 0 for never."""


class Slot:
    """One worker's words."""

    __slots__ = ("_base", "_words", "number")

    def __init__(self, words: memoryview, number: int) -> None:
        self._words = words
        self._base = _HEADER_WORDS + number * _SLOT_WORDS
        self.number = number

    def get(self, word: int) -> int:
        """Read one word."""
        value: int = self._words[self._base + word]
        return value

    def put(self, word: Word, value: int) -> None:
        """Write one word."""
        self._words[self._base + word] = value

    def clear(self, worker: int) -> None:
        """Make the slot the fresh one of ``worker`` (0: of nobody). Only while nobody writes it."""
        words, base = self._words, self._base
        for offset in range(_SLOT_WORDS):
            words[base + offset] = 0
        words[base] = worker

    def start(self, lease: int, seq: int, started_ns: int, deadline_ns: int, memory: int) -> None:
        """Worker: this lease runs now."""
        words, base = self._words, self._base
        odd = words[base + 2] | 1
        words[base + 2] = odd
        words[base + 3] = lease
        words[base + 4] = seq
        words[base + 5] = started_ns
        words[base + 6] = deadline_ns
        words[base + 7] = memory
        words[base + 8] = 1
        words[base + 2] = odd + 1

    def finish(self) -> None:
        """Worker: it runs no more (its lease stays readable)."""
        words, base = self._words, self._base
        words[base + 8] = 0
        words[base + 9] += 1

    def claim(self, lease: int, deadline_ns: int) -> None:
        """Broker: a claim that begins with this lease is about to be answered."""
        words, base = self._words, self._base
        odd = words[base + 16] | 1  # it is odd already where a broker died in the middle of a write
        words[base + 16] = odd
        words[base + 17] = lease
        words[base + 18] = deadline_ns
        words[base + 19] = 0
        words[base + 16] = odd + 1

    def unclaim(self) -> None:
        """Broker: the last claim never reached the worker."""
        words, base = self._words, self._base
        odd = words[base + 16] | 1
        words[base + 16] = odd
        words[base + 17] = 0
        words[base + 18] = 0
        words[base + 16] = odd + 1

    def revoke(self, first: int) -> None:
        """Broker: leases of the last claim from ``first`` on must not be started any more."""
        self._words[self._base + 19] = first

    def read_begins(self) -> int:
        """Broker: what is read now from the raw pipe was printed under this lease; 0 while that cannot be told.

        Written before the lease is looked at again, while the worker writes its next lease and then looks at this: so
        either the worker waits for the end of the reading, or we see that it has gone on.
        """
        words, base = self._words, self._base
        for _ in range(_TRIES):
            lease: int = words[base + 3]
            words[base + 21] = lease
            if words[base + 3] == lease:
                return lease
        words[base + 21] = 0
        return 0

    def read_ended(self) -> None:
        """Broker: it has been read."""
        self._words[self._base + 21] = 0

    def read_by_mistake(self, lease: int) -> bool:
        """Worker: whether the broker is in the middle of reading for one before ``lease``, which is started already.

        What this one printed now would be taken for that one's.
        """
        return self._words[self._base + 21] not in (0, lease)

    def running(self) -> Running | None:
        """What the worker wrote; None when its writer died in the middle."""
        words, base = self._words, self._base
        for _ in range(_TRIES):
            before = words[base + 2]
            lease, seq, started, deadline, memory, running = words[base + 3 : base + 9].tolist()
            if not before & 1 and before == words[base + 2]:
                return Running(lease, seq, started, deadline, memory, bool(running))
        return None

    def claimed(self) -> Claim | None:
        """What the broker wrote; None when its writer died in the middle."""
        words, base = self._words, self._base
        for _ in range(_TRIES):
            before = words[base + 16]
            found = Claim(words[base + 17], words[base + 18])
            if not before & 1 and before == words[base + 16]:
                return found
        return None

    def held(self) -> Held:
        """What this worker holds, and when that is due: of one look, since it may go on to another task at any time.

        A claim counts from the broker's hand until the worker says that it started that lease or a later one, so a
        worker that is stopped before its first word still has a deadline.
        """
        claim, running = self.claimed(), self.running()
        if claim is not None and (running is None or claim.lease > running.lease):
            return Held(claim.lease, claim.deadline_ns)
        if running is not None and running.running:
            return Held(running.lease, running.deadline_ns)
        return Held(0, 0)


class Scoreboard:
    """The table, mapped. Make it with :meth:`create`, hand ``descriptor`` down, map it there with :meth:`attach`."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._map = mmap.mmap(descriptor, _SIZE)
        self._words = memoryview(self._map).cast("Q")
        self.slots = tuple(Slot(self._words, number) for number in range(SLOTS))

    @classmethod
    def create(cls) -> Scoreboard:
        """A fresh table, all zeros."""
        descriptor = os.memfd_create("supervisor-scoreboard", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, _SIZE)
        board = cls(descriptor)
        board.put(Header.MAGIC, MAGIC)
        return board

    @classmethod
    def attach(cls, descriptor: int) -> Scoreboard:
        """The table behind an inherited descriptor; ValueError when it is something else."""
        board = cls(descriptor)
        if board.get(Header.MAGIC) != MAGIC:
            raise ValueError(f"descriptor {descriptor} is no scoreboard")
        return board

    def get(self, word: Header) -> int:
        """Read one word of the header."""
        value: int = self._words[word]
        return value

    def put(self, word: Header, value: int) -> None:
        """Write one word of the header."""
        self._words[word] = value

    def waiting(self) -> int:
        """How many workers have a task that waits for another one."""
        words: list[int] = self._words[_HEADER_WORDS + Word.WAITING :: _SLOT_WORDS].tolist()
        return len(words) - words.count(0)

    def clear(self) -> None:
        """Everything back to zero: a new tree starts. Nobody else may be looking."""
        os.ftruncate(self.descriptor, 0)  # drops the pages, which writing zeros would allocate
        os.ftruncate(self.descriptor, _SIZE)
        self.put(Header.MAGIC, MAGIC)
