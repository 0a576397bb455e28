"""The hooks for what happens in the broker: it submits tasks that run them, in the transaction that writes it down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from supervisor import plain
from supervisor.core.entry import Entry
from supervisor.core.internal import ON_BACKLOG, ON_DEATH, QUEUE
from supervisor.core.lines import HIGH
from supervisor.core.retention import DEAD
from supervisor.ids import new_id, to_text
from supervisor.log import log
from supervisor.scoreboard import Header
from supervisor.wire.call_kind import AS_JSON, header
from supervisor.wire.messages import Submission
from supervisor.wire.options import Options

if TYPE_CHECKING:
    from supervisor.broker.service import Service

_DECLARED, _OVER = "declared", "over"
_CRITICAL = 20
_names = msgspec.json.Decoder(list[str]).decode
_text = msgspec.json.Encoder().encode


class Hooks:
    """A part of the service, which looks at what a turn has changed, at its end.

    What the code declared is kept in the journal: after the death of everything tasks end before it is imported again.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._declared: frozenset[str] = frozenset()
        self._threshold: int | None = None
        self._over: set[str] = set()
        """The queues in which more wait than the threshold, or did, and not less than half of it since."""

    def restore(self, known: Mapping[str, str], threshold: int | None) -> None:
        """What the journal knows, and how many may wait in a queue."""
        self._declared = frozenset(_names(known.get(_DECLARED, "[]")))
        self._over = set(_names(known.get(_OVER, "[]")))
        self._threshold = threshold

    def declare(self, names: Iterable[str]) -> None:
        """The code has hooks for these, and for no others."""
        declared = frozenset(names)
        if declared != self._declared:
            self._declared = declared
            self._keep(_DECLARED, declared)

    def tick(self) -> None:
        """Submit what is due for what happened in this turn."""
        agenda = self._service.book.agenda
        if self._declared and agenda.changes.ended and ON_DEATH in self._declared:
            for entry in list(agenda.changes.ended.values()):
                if entry.state in DEAD and not entry.kind.internal:
                    self._submit(ON_DEATH, self._death(entry), HIGH)
        if self._threshold is not None and (len(agenda.waiting.ready) > self._threshold or self._over):
            self._look(self._threshold)

    # -- deaths ------------------------------------------------------------------------------------------------

    def _death(self, entry: Entry) -> dict[str, Any]:
        cause, kind, message = self._why(entry)
        now = self._service.now.wall
        retried, created = self._service.journal.origin(entry.seq) or (0, now)  # it may have come in this very turn
        return {
            "id": to_text(entry.id),
            "name": entry.kind.name,
            "state": entry.state.value,
            "cause": cause,
            "error": [kind, message],
            "attempts": entry.attempts,
            "retried": retried,
            "created_at": created,
            "ended_at": now,
        }

    def _why(self, entry: Entry) -> tuple[str | None, str, str]:
        for attempt in reversed(self._service.book.agenda.changes.attempts):
            if attempt.seq == entry.seq:
                return attempt.failure.cause.value, attempt.failure.type, attempt.failure.message
        row = self._service.journal.task(entry.id, with_result=False, brief=True)  # its handler was asked first
        if row is None or row.error is None:
            return None, "", ""
        return row.cause, row.error.type, row.error.message

    # -- backlogs ----------------------------------------------------------------------------------------------

    def _look(self, threshold: int) -> None:
        before = set(self._over)
        queues = self._service.book.agenda.waiting.ready.queues
        for name in list(self._over):
            if name not in queues or queues[name].count < threshold / 2:
                self._over.discard(name)
        for queue in list(queues.values()):
            if queue.count > threshold and queue.name not in self._over and queue.name != QUEUE:
                self._over.add(queue.name)
                log.warning("%d tasks wait in queue %s, more than backlog_threshold", queue.count, queue.name)
                if ON_BACKLOG in self._declared:
                    self._submit(ON_BACKLOG, {"queue": queue.name, "depth": queue.count}, _CRITICAL)
        if self._over != before:
            self._keep(_OVER, self._over)

    # -- inside ------------------------------------------------------------------------------------------------

    def _keep(self, name: str, values: Iterable[str]) -> None:
        self._service.book.agenda.changes.hooks[name] = _text(sorted(values)).decode()

    def _submit(self, name: str, data: dict[str, Any], priority: int) -> None:
        """It is not refused where the queue is full: the task that it is about has made room."""
        payload = header(AS_JSON, name) + plain.dump_call(name, plain.Arguments([], data))
        generation = self._service.board.get(Header.GENERATION)
        options = Options(queue=QUEUE, priority=priority)
        submission = Submission(new_id(), name, payload, options, generation=generation)
        self._service.book.agenda.submit(submission, self._service.now)
