"""The tasks that the supervisor submits for itself, so that hooks run in workers and outlive any kill."""

from __future__ import annotations

ON_DEATH = "supervisor.on_death"
"""Runs the hooks for a task that ended failed, timed out or lost."""
ON_BACKLOG = "supervisor.on_backlog"
"""Runs the hooks for a queue in which more wait than the threshold says."""
INTERNAL = frozenset({ON_DEATH, ON_BACKLOG})
QUEUE = "supervisor"
"""The named queue that they wait in: neither behind everybody's tasks, nor stopped where those are paused."""
