"""Tasks as the journal has them, back as entries of the book: all unfinished ones at a start, one that is retried."""

from __future__ import annotations

from supervisor.core.entry import Entry
from supervisor.core.kind import Kinds
from supervisor.core.moment import Moment
from supervisor.journal.rows import StoredTask
from supervisor.states import Cause, State
from supervisor.wire.messages import Files

_STATES = {state.value: state for state in State}


def entry_of(stored: StoredTask, kinds: Kinds, newest: int, now: Moment) -> Entry:
    """A task as it was. ``newest`` is the generation of the code: an earlier tree may have counted further."""
    return Entry(
        seq=stored.seq,
        id=stored.id,
        kind=kinds.get(stored.name, stored.options),
        generation=min(stored.generation, newest),
        state=_STATES[stored.state],
        created_wall=stored.created_wall,
        due=now.mono_at(stored.due_wall) if stored.due_wall else 0.0,
        due_wall=stored.due_wall or 0.0,
        lease=stored.lease,
        failures=stored.failures,
        crashes=stored.crashes,
        aborts=stored.aborts,
        files=stored.files,
        priority=stored.priority,
        since=now.mono_at(min(now.wall, stored.created_wall)),  # it has waited meanwhile
        expires=stored.expires_wall or 0.0,
        keys=stored.keys,
        asking=Cause(stored.asking) if stored.asking else None,
    )


def fresh_entry_of(stored: StoredTask, kinds: Kinds, newest: int, now: Moment) -> Entry:
    """A task that had ended, as it is taken up again: nothing is counted, and its time to be started in is over."""
    entry = entry_of(stored, kinds, newest, now)
    entry.state = State.QUEUED
    entry.failures = entry.crashes = entry.aborts = 0
    entry.due = entry.due_wall = entry.expires = 0.0
    entry.files &= ~Files.RESULT
    entry.asking = None
    return entry
