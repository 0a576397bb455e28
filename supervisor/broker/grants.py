"""What a worker gets to know about a task that is handed to it: to be run, or to be asked about a kill."""

from __future__ import annotations

from supervisor.core.book import HANDLER_SECONDS
from supervisor.core.dependencies import Dependencies
from supervisor.core.entry import Lease
from supervisor.core.ties import Ties
from supervisor.journal.journal import Journal
from supervisor.states import Cause
from supervisor.wire.messages import Extra, Files, Grant, KillData, Takes


def grant(lease: Lease, journal: Journal, dependencies: Dependencies) -> Grant:
    """The words that go with a lease. What they are about is in the journal by now."""
    entry, kind = lease.entry, lease.entry.kind
    asked = _kill(lease, journal)
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
        store_result=kind.options.store_result or dependencies.want_result(entry.id),
        asked=asked,
        extra=_extra(lease, journal) if entry.bond or kind.profile or entry.files & Files.CONTEXT else None,
    )


def _takes(ties: Ties) -> Takes:
    if ties.listed:
        return Takes.RESULTS
    return Takes.RESULT if ties.takes else Takes.NOTHING


def _extra(lease: Lease, journal: Journal) -> Extra:
    """What few tasks have. One whose error handler is asked does not run, so it is given no results nor looked at."""
    entry, runs = lease.entry, lease.entry.asking is None
    profile = entry.kind.profile and runs
    takes = _takes(entry.bond.ties) if entry.bond is not None and runs else Takes.NOTHING
    return Extra(journal.context(entry.seq) if entry.files & Files.CONTEXT else b"", profile, takes)


def _kill(lease: Lease, journal: Journal) -> KillData | None:
    entry, cause = lease.entry, lease.entry.asking
    if cause is None:
        return None
    attempt, message, stack = journal.kill_asked_about(entry.seq, cause.value)
    timed_out = cause is Cause.TIMEOUT
    return KillData(attempt, timed_out, message, stack, entry.kind.timeout if timed_out else None)
