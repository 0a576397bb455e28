"""What a worker gets to know about a task that is handed to it: to be run, or to be asked about a kill."""

from __future__ import annotations

from supervisor.core.book import HANDLER_SECONDS
from supervisor.core.dependencies import Dependencies
from supervisor.core.entry import Lease
from supervisor.core.ties import Ties
from supervisor.journal.journal import Journal
from supervisor.states import Cause
from supervisor.wire.messages import Extra, Files, Grant, KillData, Takes

_CONTEXT = int(Files.CONTEXT)


def grant(lease: Lease, journal: Journal, dependencies: Dependencies) -> Grant:
    """The words that go with a lease. What they are about is in the journal by now."""
    entry, kind = lease.entry, lease.entry.kind
    asked = _kill(lease, journal) if entry.asking is not None else None
    # By position, which takes half of the time: there is one of these for every attempt.
    return Grant(
        lease.number,
        entry.seq,
        entry.id,
        kind.name,
        journal.payload(entry.seq),
        entry.files,
        entry.attempts + 1 if asked is None else asked.attempt,
        lease.deadline_ns,
        kind.timeout if asked is None else HANDLER_SECONDS,
        kind.soft_timeout if asked is None else None,
        kind.memory_limit,
        kind.leave_children and asked is None,
        max(0, kind.max_retries - entry.counts.failures),
        kind.options.store_result or dependencies.want_result(entry.id),
        asked,
        _extra(lease, journal) if entry.bond or kind.profile or entry.files & _CONTEXT else None,
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


def _kill(lease: Lease, journal: Journal) -> KillData:
    entry, cause = lease.entry, lease.entry.asking
    assert cause is not None
    attempt, message, stack = journal.kill_asked_about(entry.seq, cause.value)
    timed_out = cause is Cause.TIMEOUT
    return KillData(attempt, timed_out, message, stack, entry.kind.timeout if timed_out else None)
