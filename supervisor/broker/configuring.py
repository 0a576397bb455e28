"""What is changed while the system runs: settings, limits, rates. Written down before it is answered."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from supervisor.broker.connection import Connection
from supervisor.core.changes import Configured
from supervisor.core.dealer import BatchPolicy
from supervisor.core.kind import Defaults
from supervisor.core.retention import Retention
from supervisor.errors import SettingsError
from supervisor.log import log
from supervisor.settings import Settings
from supervisor.settings.running import WORKERS, broken_rules, faults_of, in_force, merge, plain
from supervisor.wire.channel import Configure
from supervisor.wire.remote import RemoteError

if TYPE_CHECKING:
    from supervisor.broker.service import Service
    from supervisor.core.agenda import Agenda

LIMIT, RATE = "limit:", "rate:"
ACCEPTING = "accepting"
_MOST_CHANGES = 10_000


def defaults_of(settings: Settings) -> Defaults:
    """What stands in for the options that a task does not choose."""
    return Defaults(
        timeout=settings.timeout,
        soft_timeout=settings.soft_timeout,
        max_retries=settings.max_retries,
        retry_delay=settings.retry_delay,
        backoff=settings.backoff,
        max_delay=settings.max_delay,
        retry_jitter=settings.retry_jitter,
        crash_budget=settings.crash_budget,
        abort_budget=settings.abort_budget,
        memory_limit=settings.memory_limit,
        profile=settings.profile,
    )


def stored_settings(base: Settings, stored: Mapping[str, str]) -> tuple[Settings, dict[str, object]]:
    """The settings in force by what is stored, and what of that is in the place of others. What makes no sense any
    more, beside other settings or to another version, is left out, and said.
    """
    values: dict[str, object] = {}
    settings = base
    for name, text in stored.items():
        if name == ACCEPTING or name.startswith((LIMIT, RATE)):
            continue
        more = {**values, name: json.loads(text)}
        faults = faults_of({name: more[name]}, ())
        if not faults:
            settings, values = merge(base, more), more
        else:
            log.warning("%s, as it was configured, holds no more: %s", name, faults[0])
    faults = broken_rules(settings, values)
    if faults:
        log.warning("what was configured does not go with the settings of this start, and is left out: %s", faults[0])
        return base, {}
    return settings, values


def restore_limits(agenda: Agenda, stored: Mapping[str, str], now: float) -> None:
    """Have the limits and rates hold that were set."""
    for what, text in stored.items():
        value = json.loads(text)
        if what.startswith(LIMIT):
            agenda.waiting.gates.set_limit(what.removeprefix(LIMIT), value, now)
        elif what.startswith(RATE):
            agenda.waiting.gates.set_rate(what.removeprefix(RATE), (value[0], value[1]), now)
    agenda.closed = ACCEPTING in stored


class Configuring:
    """A part of the service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._base = self.settings = Settings()
        self._values: dict[str, object] = {}

    def begin(self, base: Settings, values: dict[str, object]) -> None:
        """With the settings of this start, and what is in their place."""
        self._base, self._values = base, values
        self.settings = merge(base, values)

    def for_master(self) -> Configure:
        """What the master is to go by."""
        return Configure({name: value for name, value in self._values.items() if name in WORKERS})

    # -- the calls ---------------------------------------------------------------------------------------------

    def configure(
        self, connection: Connection, ident: int | None, changed: dict[str, Any], reset: list[str]
    ) -> dict[str, Any]:
        """Change settings, and give some back to what they were at the start; all that is in force."""
        faults = faults_of(changed, reset)
        if faults:
            raise RemoteError(SettingsError, faults)
        values = {name: value for name, value in self._values.items() if name not in reset}
        values |= {name: plain(name, value) for name, value in changed.items()}
        settings = merge(self._base, values)
        faults = broken_rules(settings, {*changed, *reset})
        if faults:
            raise RemoteError(SettingsError, faults)
        before, after = in_force(self.settings), in_force(settings)
        for name in sorted({*changed, *reset}):
            stored = json.dumps(values[name]) if name in values else None
            known = name in self._values
            if before[name] != after[name] or known != (name in values):
                self.note(connection, name, before[name], after[name], stored)
        if values != self._values:
            self._values, self.settings = values, settings
            self._apply()
        return after

    def set_limit(self, connection: Connection, ident: int | None, key: str, most: int | None) -> object:
        """Set a limit, or have what the tasks say hold again."""
        gates = self._service.book.agenda.waiting.gates
        before = gates.limits.get(key)
        gates.set_limit(key, most, self._service.now.mono)
        self.note(connection, LIMIT + key, before, most, None if most is None else json.dumps(most))
        return True

    def set_rate(self, connection: Connection, ident: int | None, key: str, rate: tuple[int, float] | None) -> object:
        """Set a rate, or have what the tasks say hold again."""
        gates = self._service.book.agenda.waiting.gates
        before = gates.rates.get(key)
        gates.set_rate(key, rate, self._service.now.mono)
        self.note(connection, RATE + key, before, rate, None if rate is None else json.dumps(rate))
        return True

    def changes(self, connection: Connection, ident: int | None, most: int) -> object:
        """What was changed, the latest first."""
        return self._service.journal.changes(min(most, _MOST_CHANGES))

    # -- inside ------------------------------------------------------------------------------------------------

    def note(self, connection: Connection, what: str, before: object, after: object, value: str | None = None) -> None:
        """Have a change written down, and what of it is to be in force after a restart."""
        pid, uid = connection.peer()
        made = Configured(what, json.dumps(before), json.dumps(after), pid, uid, value)
        self._service.book.agenda.changes.configured.append(made)
        log.info("%s: %s instead of %s, says process %d", what, made.after, made.before, pid)

    def _apply(self) -> None:
        service, settings = self._service, self.settings
        book = service.book
        agenda = book.agenda
        agenda.kinds.change(defaults_of(settings), (entry.kind for entry in agenda.tasks.values()))
        book.dealer.batch = BatchPolicy(settings.batch_size, settings.batch_time)
        capacity = agenda.capacity
        capacity.limit = settings.queue_limit
        if capacity.queues != (settings.queue_limits or {}):
            capacity.queues = settings.queue_limits or {}
            queues = (entry.kind.queue for entry in agenda.tasks.values())
            capacity.held = Counter(name for name in queues if name in capacity.queues)
        service.ended.keep(Retention(settings.result_ttl, settings.record_ttl, settings.dead_ttl))
        service.turn.words.append(self.for_master())
