"""The system itself: versions, files, settings, findings, changes, and who did what here."""

from __future__ import annotations

import asyncio

from supervisor import __version__
from supervisor.cli.checks.finding import Finding
from supervisor.errors import SupervisorError
from supervisor.web import system_facts
from supervisor.web.answer import Answer
from supervisor.web.audit import Entry
from supervisor.web.listing import newest
from supervisor.web.operation import Ask, act, get
from supervisor.web.problems import ProblemError
from supervisor.web.system_facts import Choice, JournalFacts, Process, Setting
from supervisor.web.wanted import PageQuery, seq_of
from supervisor.worker_records import ChangeRecord


class System(Answer):
    """All of it."""

    version: str
    python: str
    sqlite: str
    gunicorn: str
    host: str
    directory: str
    title: str
    uptime: float
    generation: int
    durability: str
    journal: JournalFacts
    processes: list[Process]
    import_error: str
    obstacles: list[str]
    settings: list[Setting]
    web: list[Choice]


class Findings(Answer):
    """What was found."""

    findings: list[Finding]


class Changes(Answer):
    """What was changed while it ran, the latest first."""

    changes: list[ChangeRecord]


class AuditLog(Answer):
    """Who did what here, the latest first."""

    entries: list[Entry]
    cursor: str | None


async def system(ask: Ask) -> Answer:
    """What is known of it."""
    site, backend = ask.site, ask.site.backend
    in_force = await backend.look_if_live(lambda queue: queue.aconfigure())
    owner = await backend.in_thread(backend.owner)
    master = await backend.in_thread(lambda: system_facts.master_of(site.directory))
    try:
        newest_seq = await backend.read(lambda history: newest(history.connection))
    except SupervisorError:
        newest_seq = None
    return System(
        live=in_force is not None,
        version=__version__,
        **system_facts.versions(),
        directory=str(site.directory),
        title=master.title,
        uptime=master.uptime,
        generation=master.generation,
        durability=owner.spec.settings.durability if owner else "",
        journal=await backend.in_thread(lambda: system_facts.journal_of(site.directory, newest_seq)),
        processes=master.processes,
        import_error=master.import_error,
        obstacles=master.obstacles,
        settings=system_facts.settings_of(owner.spec.settings if owner else None, in_force or {}),
        web=system_facts.choices_of(site.options),
    )


async def findings(ask: Ask) -> Answer:
    """What is right and wrong about its files."""
    backend, directory = ask.site.backend, ask.site.directory
    owner = await backend.in_thread(backend.owner)
    durable = owner is None or owner.spec.settings.durability != "off"
    found = await backend.in_thread(lambda: system_facts.findings_of(directory, durable=durable))
    return Findings(live=await backend.is_live(), findings=found)


class _Turns:
    """One doctor at a time: it reads the whole journal."""

    busy = False


async def doctor(ask: Ask) -> Answer:
    """Look at the journal."""
    if _Turns.busy:
        raise ProblemError(409, "somebody else has the journal looked at this moment; try again in ten seconds", "busy")
    _Turns.busy = True
    try:
        found = await asyncio.to_thread(system_facts.doctor, ask.site.directory)
    finally:
        _Turns.busy = False
    return Findings(live=await ask.site.backend.is_live(), findings=found)


async def changes(ask: Ask) -> Answer:
    """What was changed."""
    query: PageQuery = ask.query
    return Changes(changes=await ask.site.backend.look(lambda queue: queue.achanges(query.limit)))


async def audit(ask: Ask) -> Answer:
    """Who did what here."""
    query: PageQuery = ask.query
    skip = 0 if query.cursor is None else min(seq_of(query.cursor), 1 << 31)
    entries = await ask.site.backend.in_thread(lambda: ask.site.audit.read(query.limit, skip))
    cursor = str(skip + len(entries)) if len(entries) == query.limit else None
    return AuditLog(live=await ask.site.backend.is_live(), entries=entries, cursor=cursor)


OPERATIONS = (
    get("api/system", system, "Versions, files, settings in force.", System),
    get("api/system/findings", findings, "What `supervisor check` says of directory and files.", Findings),
    act("api/system/doctor", doctor, "Have the journal itself looked at.", Findings),
    get("api/system/changes", changes, "What was changed while it ran.", Changes, query=PageQuery),
    get("api/audit", audit, "Who did what here, the latest first.", AuditLog, query=PageQuery),
)
