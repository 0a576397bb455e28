"""The pool: as many workers as there should be, each replaced when it is due, one at a time."""

from __future__ import annotations

import fcntl
import os
import random
from collections.abc import Iterator
from contextlib import suppress

from supervisor import signals
from supervisor.errors import SettingsError
from supervisor.log import log
from supervisor.master.leaving import Leave, Reason
from supervisor.master.recycling import reason
from supervisor.master.scaling import Bounds, Scaling, Seen
from supervisor.master.template import TemplateHandle
from supervisor.master.worker import Stage, WorkerHandle
from supervisor.scoreboard import Header, Scoreboard, Slot, Word
from supervisor.settings import Settings
from supervisor.settings.running import merge
from supervisor.states import Cause
from supervisor.system import proc
from supervisor.wire.channel import Alive, Fence, ForkWorker

_FIRST_BACKOFF_NS = 100_000_000
_LONGEST_BACKOFF_NS = 30_000_000_000
_SETTLE_NS = 10_000_000
_NUMBERS = 1 << 32
_PIPE_BYTES = 256 * 1024
_REPLACED = Leave(Reason.ASKED, "it was replaced")
_UNWANTED = Leave(Reason.SCALING, "there are more workers than wanted")


class Pool:
    """Workers by number. Reads the scoreboard; forks through the template it is given."""

    def __init__(self, board: Scoreboard, settings: Settings) -> None:
        self._board = board
        self._base = settings
        self._configured: dict[str, object] = {}
        self.settings = settings
        self.scaling = Scaling(_bounds(settings), settings.worker_count)
        self.workers: dict[int, WorkerHandle] = {}
        self.opened: list[WorkerHandle] = []
        """Workers whose pipes the broker does not read yet."""
        self._deaths: dict[int, tuple[Cause, int]] = {}
        """Why the last worker on a seat died, and the wall-clock nanosecond of that."""
        self.template: TemplateHandle | None = None
        self.serves = 0
        """The generation that forks of this template count as."""
        self.recycled: dict[str, int] = {}
        """Workers that were asked to leave, by why, in words."""
        self.left: dict[str, int] = {}
        """The same by :class:`~supervisor.master.leaving.Reason`."""
        board.put(Header.MOST_WAITING, settings.max_waiting)
        # Numbers are unlike those of any earlier tree: the journal remembers who held what.
        self._next_number = random.getrandbits(30) * _NUMBERS + 1
        self._failures = 0
        self._fork_ns = 0
        self._look_ns = 0
        self._graves: dict[int, Slot] = {}

    # -- how many there should be ------------------------------------------------------------------------------

    @property
    def target(self) -> int:
        """How many workers are wanted now."""
        return self.scaling.wanted

    def use(self, settings: Settings) -> None:
        """These settings hold from now on, but for what is configured."""
        self._base = settings
        self._follow()

    def configure(self, values: dict[str, object]) -> None:
        """These values hold in the place of the settings."""
        if values != self._configured:
            self._configured = values
            self._follow()

    def _follow(self) -> None:
        before = self.settings
        try:
            self.settings = merge(self._base, self._configured)
        except SettingsError as error:
            log.error("what was configured holds no more: %s", error)
            self._configured, self.settings = {}, self._base
        same = before.worker_count == self.settings.worker_count
        self.scaling.use(_bounds(self.settings), None if same else self.settings.worker_count)
        self._board.put(Header.MOST_WAITING, self.settings.max_waiting)

    def scale(self, now_ns: int) -> None:
        """Look whether there should be more workers, or fewer.

        That a backlog matters is published before the backlog is read: a broker that has one in between either sees
        our word and wakes us, or is seen by us.
        """
        waiting = sum(handle.slot.get(Word.WAITING) != 0 for handle in self.workers.values())
        scaling = self.scaling
        if scaling.steady and not waiting:
            self._tell_whether_it_grows(False)
            return
        self._tell_whether_it_grows(scaling.may_grow(waiting))
        backlog = self._board.get(Header.BACKLOG)
        ready = [each for each in self.workers.values() if each.stage is Stage.READY and not each.spare]
        busy = [each for each in ready if each.slot.held().lease]
        # One that has only just got ready has had no time to ask for what waits.
        taking = [each for each in ready if now_ns - each.ready_ns > _SETTLE_NS or each in busy]
        self._look_ns = now_ns + _SETTLE_NS if backlog and len(taking) < len(ready) else 0
        before = scaling.wanted
        wanted = scaling.look(Seen(len(taking), len(busy), waiting, backlog), now_ns)
        if wanted != before:
            log.info("%d workers are wanted instead of %d", wanted, before)

    def _tell_whether_it_grows(self, grows: bool) -> None:
        if self._board.get(Header.GROWS) != grows:
            self._board.put(Header.GROWS, int(grows))

    # -- who there is ------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[WorkerHandle]:
        return iter(list(self.workers.values()))

    def by_pid(self, pid: int) -> WorkerHandle | None:
        """The worker with this pid."""
        return next((handle for handle in self.workers.values() if handle.pid == pid), None)

    def alive(self) -> list[Alive]:
        """For a new broker: who lives and what each started last."""
        found: list[Alive] = []
        for handle in self.workers.values():
            if handle.who is not None:
                running = handle.slot.running()
                lease = running.lease if running else 0
                found.append(Alive(handle.number, handle.slot.number, handle.pid, handle.generation, lease))
        return found

    def fences(self) -> list[Fence]:
        """For a new broker: of which leases no answer may count any more."""
        kills = [handle.kill for handle in self.workers.values() if handle.kill is not None]
        return [Fence(kill.lease, kill.cause.value) for kill in kills if kill.lease]

    def ready(self) -> int:
        """How many can take tasks."""
        return sum(handle.stage is Stage.READY and not handle.spare for handle in self.workers.values())

    # -- filling -----------------------------------------------------------------------------------------------

    def fill(self, now_ns: int) -> None:
        """Fork what is missing, and the replacement of one worker that is due."""
        template = self.template
        if template is None or not template.imported or now_ns < self._fork_ns:
            return
        self.scale(now_ns)
        seated = {handle.seat: handle for handle in self.workers.values() if self._stays(handle)}
        for seat in range(self.target):
            if seat not in seated and not self._activate_spare(seat):
                self._fork(template, seat, now_ns)
        if template.bare and not any(handle.spare for handle in self.workers.values()):
            self._fork(template, self.target, now_ns, spare=True)
        for seat, handle in seated.items():
            if seat >= self.target and not handle.spare:
                self.retire(handle, _UNWANTED)
        self._recycle(template, now_ns)

    def _stays(self, handle: WorkerHandle) -> bool:
        """Whether it holds its seat: it is not leaving, nor waiting to take the seat of one that is still there.

        Until a kill is decided its worker may yet be spared, and a second one on its seat would be one too many.
        """
        leaving = handle.stage in (Stage.RETIRING, Stage.DEAD) or (handle.kill is not None and handle.kill.decided)
        waiting = handle.replaces is not None and self._stays(handle.replaces)
        return not leaving and not waiting and not handle.spare

    def _recycle(self, template: TemplateHandle, now_ns: int) -> None:
        if any(handle.replaces is not None for handle in self.workers.values()):
            return  # one at a time
        watch_memory = self.settings.max_memory is not None
        for handle in self.workers.values():
            grown = proc.tree_resident_bytes(handle.pid) - handle.baseline if watch_memory and handle.baseline else 0
            why = reason(handle, self.settings, self.serves, now_ns, grown)
            if why is not None and handle.spare:
                self.retire(handle, why)
            elif why is not None:
                handle.leave = why
                self._fork(template, handle.seat, now_ns, replaces=handle)
                return

    def _activate_spare(self, seat: int) -> bool:
        for handle in self.workers.values():
            if (
                handle.spare
                and handle.stage is Stage.READY
                and handle.kill is None
                and handle.generation >= self.serves
            ):
                try:
                    os.write(handle.go, b"%d" % seat)
                except BrokenPipeError:
                    continue  # it has just died
                handle.spare = False
                handle.seat = seat
                self._seat(handle.slot, seat)
                return True
        return False

    def _fork(
        self,
        template: TemplateHandle,
        seat: int,
        now_ns: int,
        *,
        replaces: WorkerHandle | None = None,
        spare: bool = False,
    ) -> None:
        slot = next(slot for slot in self._board.slots if slot.get(Word.WORKER) == 0)
        number, self._next_number = self._next_number, self._next_number + 1
        slot.clear(number)
        self._seat(slot, seat)
        (talk, talk_end), (raw, raw_end) = _pipe(), _pipe()
        go_end, go = os.pipe2(os.O_CLOEXEC) if spare else (-1, -1)
        stack = os.memfd_create("supervisor-stack", os.MFD_CLOEXEC)
        fcntl.fcntl(stack, fcntl.F_SETFL, os.O_APPEND)  # what is written after it was emptied begins at its beginning
        handle = WorkerHandle(
            number=number,
            seat=seat,
            slot=slot,
            generation=max(self.serves, template.generation),
            max_tasks=self._most_tasks(),
            spawned_ns=now_ns,
            template=template.process.pid,
            talk=talk,
            raw=raw,
            stack_file=stack,
            spare=spare,
            go=go,
            replaces=replaces,
        )
        self._order(template, handle, [talk_end, raw_end, stack, *([go_end] if spare else [])])
        for end in (talk_end, raw_end, *([go_end] if spare else [])):
            os.close(end)

    def _seat(self, slot: Slot, seat: int) -> None:
        """Have everybody know its seat, and why the one before it there died."""
        slot.put(Word.SEAT, seat)
        if seat in self._deaths:
            cause, when_ns = self._deaths[seat]
            slot.put(Word.DEATH, list(Cause).index(cause) + 1)
            slot.put(Word.DEATH_NS, when_ns)

    def _order(self, template: TemplateHandle, handle: WorkerHandle, ends: list[int]) -> None:
        """Have the template fork it; forget it where the template is gone."""
        order = ForkWorker(
            handle.number, handle.slot.number, handle.seat, handle.generation, handle.max_tasks, handle.spare
        )
        if not template.channel.send(order, ends):
            handle.slot.clear(0)
            handle.close()
            return
        self.workers[handle.number] = handle
        self.opened.append(handle)

    def _most_tasks(self) -> int:
        if self.settings.max_tasks is None:
            return 0
        jitter = self.settings.max_tasks_jitter
        return max(1, self.settings.max_tasks + random.randint(-jitter, jitter))

    # -- what happens to workers -------------------------------------------------------------------------------

    def forked(self, number: int, pid: int) -> WorkerHandle | None:
        """The template told a worker's pid."""
        handle = self.workers.get(number)
        if handle is not None:
            handle.who = proc.identity(pid) or proc.Identity(pid, 0)
            handle.slot.put(Word.PID, pid)
            if handle.stage is Stage.FORKING:
                handle.stage = Stage.BOOTING
            elif handle.stage is Stage.RETIRING:
                handle.send(signals.RETIRE)  # it was to leave before anybody knew its pid
        return handle

    def look_ready(self) -> None:
        """Notice who got ready, and let go of whom they replace."""
        for handle in self.workers.values():
            if handle.stage is not Stage.BOOTING:
                continue
            ready_ns = handle.slot.get(Word.READY_NS)
            if not ready_ns:
                continue
            handle.stage = Stage.READY
            handle.ready_ns = ready_ns
            handle.baseline = proc.tree_resident_bytes(handle.pid)
            self._failures = 0
            replaced, handle.replaces = handle.replaces, None
            log.debug("worker %d is ready after %.1f ms", handle.pid, (ready_ns - handle.spawned_ns) / 1e6)
            if replaced is not None:
                self.retire(replaced, replaced.leave or _REPLACED)

    def ask_to_leave(self, pid: int) -> dict[str, object]:
        """Have the worker with this pid (0: each) replaced, as one that is due: after its task, the new one first."""
        asked = [each for each in self.workers.values() if pid in (0, each.pid) and each.stage is Stage.READY]
        for handle in asked:
            handle.unwanted = True
        return {"asked": [handle.pid for handle in asked]}

    def retire(self, handle: WorkerHandle, why: Leave) -> None:
        """Ask a worker to leave after the task at hand."""
        if handle.stage in (Stage.DEAD, Stage.RETIRING):
            return  # asked once is enough: each signal interrupts a system call of the task
        log.debug("worker %d retires: %s", handle.pid, why.text)
        self.recycled[why.text] = self.recycled.get(why.text, 0) + 1
        self.left[why.reason] = self.left.get(why.reason, 0) + 1
        handle.stage = Stage.RETIRING
        handle.leave = why
        if handle.who is not None:
            handle.send(signals.RETIRE)

    def remind(self) -> None:
        """Ask again those that are to leave and have nothing to do: a signal just before a system call that blocks is
        not seen until that returns.
        """
        for handle in self.workers.values():
            running = handle.slot.running()
            if (
                handle.stage is Stage.RETIRING
                and handle.who is not None
                and running is not None
                and not running.running
            ):
                handle.send(signals.RETIRE)

    def boot_limit_ns(self) -> int:
        """How long a worker may take to get ready. It grows as long as none does: slow is not hung."""
        return int(min(600.0, self.settings.ready_timeout * 2**self._failures) * 1e9)

    def unforked(self, template: int) -> list[WorkerHandle]:
        """Those whom this template was told to fork, and of whom it has not told."""
        return [handle for handle in self.workers.values() if handle.who is None and handle.template == template]

    def mourn(self, handle: WorkerHandle, cause: Cause, when_ns: int) -> None:
        """It has died: remember why, for whoever has its seat after it, and for who may have it already."""
        self._deaths[handle.seat] = cause, when_ns
        for each in self.workers.values():
            if each is not handle and each.seat == handle.seat:
                self._seat(each.slot, each.seat)

    def remove(self, handle: WorkerHandle, now_ns: int) -> None:
        """It is dead: free what it held."""
        if handle.stage in (Stage.FORKING, Stage.BOOTING):
            self._failures = min(self._failures + 1, 10)
            wait = min(_LONGEST_BACKOFF_NS, _FIRST_BACKOFF_NS * 2 ** (self._failures - 1))
            self._fork_ns = now_ns + wait
            log.error("worker %d died before it was ready; the next is forked in %.1f s", handle.pid, wait / 1e9)
        handle.stage = Stage.DEAD
        self.workers.pop(handle.number, None)
        if handle in self.opened:
            self.opened.remove(handle)
        self._graves[handle.number] = handle.slot
        handle.close()

    def buried(self, number: int) -> None:
        """The broker knows of the death, so it writes into that slot no more: it can be used again."""
        slot = self._graves.pop(number, None)
        if slot is not None:
            slot.clear(0)

    def next_fork_ns(self, now_ns: int) -> int | None:
        """When :meth:`fill` may fork again, after failures or since somebody has just got ready."""
        times = [each for each in (self._fork_ns, self._look_ns) if each > now_ns]
        return min(times, default=None)


def _pipe() -> tuple[int, int]:
    ends = os.pipe2(os.O_CLOEXEC)
    with suppress(OSError):  # over the user's share of pipe memory: the default size will do
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return ends


def _bounds(settings: Settings) -> Bounds:
    return Bounds(
        settings.least_workers, settings.most_workers, settings.max_waiting, int(settings.worker_idle_timeout * 1e9)
    )
