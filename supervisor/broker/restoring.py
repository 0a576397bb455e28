"""Tasks as the journal has them, back as entries of the book: all unfinished ones at a start, one that is retried."""

from __future__ import annotations

from collections.abc import Iterable

from supervisor.core.entry import NO_COUNTS, Counts, Entry
from supervisor.core.kind import Kinds
from supervisor.core.moment import Moment
from supervisor.journal.rows import Newcomer, StoredTask, read_options
from supervisor.states import Cause, State
from supervisor.wire.messages import Files

_QUEUED = State.QUEUED
_STATES = {state.value: state for state in State}


def entry_of(stored: StoredTask, kinds: Kinds, newest: int, now: Moment) -> Entry:
    """A task as it was. ``newest`` is the generation of the code: an earlier tree may have counted further."""
    counts = (stored.failures, stored.crashes, stored.aborts)
    return Entry(
        seq=stored.seq,
        id=stored.id,
        kind=kinds.get(stored.name, stored.options),
        generation=min(stored.generation, newest),
        state=_STATES[stored.state],
        due=Moment(now.mono_at(stored.due_wall), stored.due_wall) if stored.due_wall else None,
        lease=stored.lease,
        counts=Counts(*counts) if any(counts) else NO_COUNTS,
        files=stored.files,
        priority=stored.priority,
        since=now.mono_at(min(now.wall, stored.created_wall)),  # it has waited meanwhile
        expires=stored.expires_wall or 0.0,
        keys=stored.keys,
        asking=Cause(stored.asking) if stored.asking else None,
    )


def entries_of(newcomers: Iterable[Newcomer], kinds: Kinds, newest: int, now: Moment) -> list[Entry]:
    """Tasks that only wait. Written for a million of them."""
    entries: list[Entry] = []
    ahead, wall = now.mono - now.wall, now.wall
    for seq, task_id, name, generation, files, priority, created, options in newcomers:
        kind = kinds.get(name, read_options(options))
        since = ahead + min(wall, created)
        code = min(generation, newest)
        entries.append(Entry(seq, task_id, kind, code, _QUEUED, None, 0, NO_COUNTS, files, priority, since))
    return entries


def fresh_entry_of(stored: StoredTask, kinds: Kinds, newest: int, now: Moment) -> Entry:
    """A task that had ended, as it is taken up again: nothing is counted, and its time to be started in is over."""
    entry = entry_of(stored, kinds, newest, now)
    entry.state = State.QUEUED
    entry.counts, entry.due, entry.expires = NO_COUNTS, None, 0.0
    entry.files &= ~Files.RESULT
    entry.asking = None
    return entry
