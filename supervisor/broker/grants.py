"""What a worker gets to know about a task that is handed to it: to be run, or to be asked about a kill."""

from __future__ import annotations

from supervisor.core.book import HANDLER_SECONDS
from supervisor.core.entry import Lease
from supervisor.journal.journal import Journal
from supervisor.states import Cause
from supervisor.wire.messages import Extra, Files, Grant, KillData


def grant(lease: Lease, journal: Journal) -> Grant:
    """The words that go with a lease. What they are about is in the journal by now."""
    entry, kind = lease.entry, lease.entry.kind
    asked = _kill(lease, journal)
    extra = None
    if kind.profile or entry.files & Files.CONTEXT:
        extra = Extra(journal.context(entry.seq), kind.profile and asked is None)
    return Grant(
        lease=lease.number,
        seq=entry.seq,
        id=entry.id,
        name=kind.name,
        payload=journal.payload(entry.seq),
        files=entry.files,
        attempt=entry.attempts + 1 if asked is None else asked.attempt,
        deadline_ns=lease.deadline_ns,
        timeout=kind.timeout if asked is None else HANDLER_SECONDS,
        soft_timeout=kind.soft_timeout if asked is None else None,
        memory_limit=kind.memory_limit,
        leave_children=kind.leave_children and asked is None,
        retries_left=max(0, kind.max_retries - entry.failures),
        store_result=kind.options.store_result,
        asked=asked,
        extra=extra,
    )


def _kill(lease: Lease, journal: Journal) -> KillData | None:
    entry, cause = lease.entry, lease.entry.asking
    if cause is None:
        return None
    attempt, message, stack = journal.kill_asked_about(entry.seq, cause.value)
    timed_out = cause is Cause.TIMEOUT
    return KillData(attempt, timed_out, message, stack, entry.kind.timeout if timed_out else None)
