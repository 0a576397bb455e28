"""All operations of the API. What is fixed comes before what has a parameter in its place."""

from __future__ import annotations

from supervisor.web.routes import bulk, dead, health, overview, queues, schedules, session, system, tasks, workers

OPERATIONS = (
    *session.OPERATIONS,
    *overview.OPERATIONS,
    *bulk.OPERATIONS,
    *tasks.OPERATIONS,
    *dead.OPERATIONS,
    *queues.OPERATIONS,
    *schedules.OPERATIONS,
    *workers.OPERATIONS,
    *system.OPERATIONS,
    *health.OPERATIONS,
)
