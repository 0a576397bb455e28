"""Which code runs: the template in use, and the one that is to take its place."""

from __future__ import annotations

import os
import signal

from supervisor.launch import Spec
from supervisor.log import log
from supervisor.master.pool import Pool
from supervisor.master.template import Shared, TemplateHandle, start_template
from supervisor.scoreboard import Header
from supervisor.system.pulse import Pulse
from supervisor.wire.channel import Imported, Stop

_FIRST_BACKOFF_NS = 1_000_000_000
_LONGEST_BACKOFF_NS = 30_000_000_000
_LONGEST_IMPORT_NS = 600_000_000_000
_LEAVE_NS = 10_000_000_000


class Generations:
    """Starts templates, promotes the one whose import succeeded, and lets go of the others."""

    def __init__(self, shared: Shared, pool: Pool, spec: Spec) -> None:
        self._shared = shared
        self._board = shared.board
        self._pool = pool
        self.spec = spec
        self.newest = 0
        """The generation that submits are stamped with from now on."""
        self._next()
        self.current: TemplateHandle | None = None
        self.coming: TemplateHandle | None = None
        self.leaving: list[TemplateHandle] = []
        """Those that were told to stop, and may still have something to tell of a worker."""
        self.failed = ""
        """Why the newest code cannot be imported; empty when it could."""
        self.judged = 0
        """The newest generation of which is known whether it can be imported."""
        self.unserved = 0
        """A generation whose import failed, for which the older workers are to stand in."""
        self.restarts = 0
        """Templates that died, or had to be killed."""
        self._bare = False
        self._slow = 0
        self._failures = 0
        self._retry_ns = 0
        self._modified: dict[str, float] = {}
        self._closing = False
        self._pulse = Pulse()
        """The current template's."""

    def templates(self) -> list[TemplateHandle]:
        """Those whose processes run."""
        return [*filter(None, (self.current, self.coming)), *self.leaving]

    def close(self) -> None:
        """Nothing is forked any more: the templates may leave."""
        self._closing = True
        for template in self.templates():
            template.channel.send(Stop())

    def kill(self) -> None:
        """End those templates that have not left."""
        for template in self.templates():
            signal.pidfd_send_signal(template.process.pidfd, signal.SIGKILL)

    def reload(self, spec: Spec, now_ns: int) -> int:
        """New code is to be imported; its generation. What runs goes on until that has succeeded."""
        self._next()
        self.spec = spec
        self._bare = False
        self._failures = 0
        self._start(now_ns)
        return self.newest

    def _next(self) -> None:
        self.newest += 1
        self._board.put(Header.GENERATION, self.newest)

    def keep(self, now_ns: int) -> None:
        """Start a template where there is none, after failures with a pause."""
        if self.current is None and self.coming is None and now_ns >= self._retry_ns:
            self._start(now_ns)

    def _start(self, now_ns: int) -> None:
        if self.coming is not None:
            self._drop(self.coming)
        limit = min(_LONGEST_IMPORT_NS, int(self.spec.settings.import_timeout * 1e9) << self._slow)
        self._board.put(Header.TEMPLATE_BEAT_NS, 0)
        self.coming = start_template(
            self.spec, self.newest, self._shared, bare=self._bare, times=(now_ns, now_ns + limit)
        )

    def imported(self, template: TemplateHandle, word: Imported, names: int, now_ns: int) -> None:
        """Its import succeeded: workers come from it from now on, if that is safe. ``names`` is a file with what it has
        registered.
        """
        if template.bare:
            os.close(names)  # it has imported nothing itself; an earlier one has told
        else:
            template.names = names
        if word.obstacles and not template.bare:
            for obstacle in word.obstacles:
                log.warning("the application cannot be shared by forking: %s", obstacle)
            log.warning(
                "each worker imports it for itself; one more is kept ready, so that a kill need not wait for that"
            )
            self._bare = True
            kept = os.dup(names)  # starting the next one lets go of this one
            self._start(now_ns)
            if self.coming is not None:
                self.coming.obstacles = word.obstacles
                self.coming.sources = word.sources
                self.coming.names = kept
            return
        template.imported = True
        self.judged = max(self.judged, template.generation)
        template.seconds = word.seconds
        template.sources = template.sources or word.sources
        old, self.current, self.coming = self.current, template, None
        self._pulse = Pulse()
        self.failed = ""
        self._failures = self._slow = 0
        self._pool.template = template
        self._pool.serves = max(self._pool.serves, template.generation)
        self._pool.use(template.spec.settings)
        log.info("generation %d of the application is imported (%.2f s)", template.generation, word.seconds)
        if old is not None:
            old.channel.send(Stop())
            old.deadline_ns = now_ns + _LEAVE_NS
            self.leaving.append(old)

    def import_failed(self, template: TemplateHandle, reason: str, now_ns: int) -> None:
        """Its import failed: the old one, if there is one, stands in."""
        self.failed = reason
        log.error(
            "the application cannot be imported, %s:\n%s",
            "the old code goes on" if self.current else "no task can run",
            reason,
        )
        self._lost(template, now_ns)
        if self.current is not None:
            self.unserved = template.generation
            self._pool.serves = template.generation

    def ended(self, pid: int, now_ns: int) -> bool:
        """A process was reaped; whether it was a template of ours."""
        for template in self.templates():
            if template.process.pid == pid:
                expected = self._closing or template in self.leaving
                self.restarts += not expected
                if not expected and (template.imported or not self.failed):
                    log.error("the template (pid %d) died; a new one is started", pid)
                self._lost(template, now_ns)
                return True
        return False

    def _lost(self, template: TemplateHandle, now_ns: int) -> None:
        if template is self.coming:
            self.coming = None
            self.judged = max(self.judged, template.generation)
            self._retry_ns = now_ns + min(_LONGEST_BACKOFF_NS, _FIRST_BACKOFF_NS << self._failures)
            self._failures = min(self._failures + 1, 10)
        if template is self.current:
            self.current = None
            if self._pool.template is template:
                self._pool.template = None
        if template in self.leaving:
            self.leaving.remove(template)
        template.close()

    def check(self, now_ns: int) -> None:
        """Kill a template whose import takes too long, or which hangs."""
        for template in self.leaving:
            if now_ns > template.deadline_ns:
                signal.pidfd_send_signal(template.process.pidfd, signal.SIGKILL)
        coming = self.coming
        if coming is not None and now_ns > coming.deadline_ns:
            self._slow = min(self._slow + 1, 6)
            self.failed = f"the import took longer than {(coming.deadline_ns - coming.started_ns) / 1e9:g} s"
            log.error("%s: the template is killed and tries again with more time", self.failed)
            self._drop(coming)
            self.restarts += 1
            self.coming = None
            self.judged = max(self.judged, coming.generation)
            self._retry_ns = now_ns
        current = self.current
        if current is not None and self.coming is None and self._silent_seconds(now_ns) > self._patience:
            log.error("the template (pid %d) hangs: killed", current.process.pid)
            signal.pidfd_send_signal(current.process.pidfd, signal.SIGKILL)

    @property
    def _patience(self) -> float:
        return self.spec.settings.heartbeat_timeout

    def _silent_seconds(self, now_ns: int) -> float:
        return self._pulse.silent_ns(self._board.get(Header.TEMPLATE_BEAT_NS), now_ns) / 1e9

    def _drop(self, template: TemplateHandle) -> None:
        signal.pidfd_send_signal(template.process.pidfd, signal.SIGKILL)
        template.close()

    def next_ns(self) -> int | None:
        """When :meth:`keep` or :meth:`check` has something to do."""
        if self.coming is not None:
            return self.coming.deadline_ns
        return self._retry_ns if self.current is None else None

    def sources_changed(self) -> bool:
        """Whether a file of the imported code has changed since its import or the last look, where ``reload`` is on."""
        if not self.spec.reload:
            return False
        changed = False
        for path, imported in (self.current.sources if self.current else {}).items():
            try:
                modified = os.stat(path).st_mtime
            except OSError:
                continue
            changed |= self._modified.get(path, imported) != modified
            self._modified[path] = modified
        return changed
