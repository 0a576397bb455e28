"""The rows of tasks as one turn leaves them, by the statement that writes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from supervisor.core.changes import Changes
from supervisor.core.entry import Entry
from supervisor.core.keys import NO_KEYS
from supervisor.journal.payloads import PayloadCache
from supervisor.states import State
from supervisor.wire.messages import Submission
from supervisor.wire.options import NO_OPTIONS, Options

Row = tuple[Any, ...]  # of states `_value_`, since `value` is a property written in Python
_encode_options = msgspec.json.Encoder().encode
_encode_keys = msgspec.json.Encoder().encode
_MOST_TEXTS = 1024
_RUNNING, _SUCCEEDED = State.RUNNING, State.SUCCEEDED


@dataclass(slots=True)
class Sorted:
    """Rows by statement."""

    waiting: list[Row] = field(default_factory=list)
    """New, and given to no worker yet."""
    inserted: list[Row] = field(default_factory=list)
    """New, and further already."""
    leased: list[Row] = field(default_factory=list)
    moved: list[Row] = field(default_factory=list)
    succeeded: list[Row] = field(default_factory=list)
    """Those whose lease is in the journal: less to write."""
    served: list[Row] = field(default_factory=list)
    """Those whose lease was held back until now, in runs of tasks that follow each other."""
    ended: list[Row] = field(default_factory=list)


class TaskRows:
    """Makes them; ``payloads`` is the cache that new payloads go into."""

    def __init__(self, payloads: PayloadCache) -> None:
        self._payloads = payloads
        self._option_texts: dict[Options, str] = {}
        self._last_options = (NO_OPTIONS, _encode_options(NO_OPTIONS).decode())

    def sort(self, changes: Changes) -> Sorted:
        """The rows for what one turn changed. What has ended leaves the cache of payloads, what is new comes in."""
        rows = Sorted()
        new, leases, results, wall = changes.new, changes.leases, changes.results, changes.wall
        leased, succeeded, drop = rows.leased, rows.succeeded, self._payloads.drop
        for seq, entry in changes.touched.items():
            state = entry.state
            if seq in new:
                if entry.lease or state.ended:
                    rows.inserted.append(self._insert_row(entry, changes))
                else:
                    rows.waiting.append(self._waiting_row(entry, new[seq], wall))
            elif state is _RUNNING:
                lease, pid = leases[seq]
                leased.append((lease.number, lease.worker, pid, lease.started_wall, *entry.counts, seq))
            elif state is _SUCCEEDED:
                drop(seq)
                succeeded.append((wall, entry.files, results[seq], seq))
            elif state.ended:
                drop(seq)
                rows.ended.append((state._value_, wall, *entry.counts, entry.files, seq))
            else:
                due = entry.due.wall if entry.due is not None else None
                rows.moved.append((state._value_, due, entry.priority, *entry.counts, seq))
        return rows

    def _waiting_row(self, entry: Entry, submission: Submission, wall: float) -> Row:
        """A new task that no worker was given yet."""
        kind, payload = entry.kind, submission.payload
        self._payloads.keep(entry.seq, payload)
        return (
            entry.seq,
            entry.id,
            kind.name,
            entry.state._value_,
            entry.priority,
            entry.generation,
            entry.files,
            wall,
            entry.due.wall if entry.due is not None else None,
            self._options_text(kind.options),
            payload,
            kind.queue,
            entry.expires or None,
            _encode_keys(entry.keys).decode() if entry.keys is not NO_KEYS else "",
        )

    def _insert_row(self, entry: Entry, changes: Changes) -> Row:
        """A new task that was given to a worker in this very turn, or is over. It was created in this turn, too."""
        submission = changes.new[entry.seq]
        lease, pid = changes.leases.get(entry.seq, (None, 0))
        ended = entry.state.ended
        if not ended:
            self._payloads.keep(entry.seq, submission.payload)
        return (
            entry.seq,
            entry.id,
            entry.kind.name,
            entry.state._value_,
            entry.priority,
            entry.generation,
            entry.lease,
            lease.worker if lease else 0,
            pid,
            *entry.counts,
            entry.files,
            changes.wall,
            entry.due.wall if entry.due is not None else None,
            lease.started_wall if lease else None,
            changes.wall if ended else None,
            self._options_text(entry.kind.options),
            submission.payload,
            changes.results.get(entry.seq),
            entry.kind.queue,
            entry.expires or None,
            _encode_keys(entry.keys).decode() if entry.keys is not NO_KEYS else "",
        )

    def _options_text(self, options: Options) -> str:
        last, text = self._last_options
        if options is last:  # as a rule: tasks of one kind share theirs, and come together
            return text
        found = self._option_texts.get(options)
        if found is None:
            found = _encode_options(options).decode()
            if len(self._option_texts) < _MOST_TEXTS:
                self._option_texts[options] = found
        self._last_options = (options, found)
        return found
