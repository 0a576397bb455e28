"""Ready-made configs for three common sorts of task."""

from __future__ import annotations

from typing import Unpack

from supervisor.config import TaskConfig, TaskOptions
from supervisor.priority import Priority


def quick_config(**overrides: Unpack[TaskOptions]) -> TaskConfig:
    """For short work that somebody waits for, and that is of no use later.

    ``timeout`` 30 s, ``max_retries`` 0, ``expires`` 5 min (not started by then, it is not started any more),
    ``result_ttl`` 1 h. All else as in :class:`TaskConfig`. TaskOptionError for an override that makes no sense.
    """
    chosen: TaskOptions = {"timeout": 30.0, "max_retries": 0, "expires": 300.0, "result_ttl": 3600.0}
    return TaskConfig.of({**chosen, **overrides})


def reliable_config(**overrides: Unpack[TaskOptions]) -> TaskConfig:
    """For work that has to be done in the end, whatever fails meanwhile.

    ``timeout`` 15 min, ``max_retries`` 10, ``retry_delay`` 2 s, doubled at each failure (``backoff`` 2) up to
    ``max_delay`` 10 min, plus up to ``retry_jitter`` 5 s, so that it goes on for about half an hour;
    ``crash_budget`` 5. All else as in :class:`TaskConfig`. TaskOptionError for an override that makes no sense.
    """
    chosen: TaskOptions = {
        "timeout": 900.0,
        "max_retries": 10,
        "retry_delay": 2.0,
        "backoff": 2.0,
        "max_delay": 600.0,
        "retry_jitter": 5.0,
        "crash_budget": 5,
    }
    return TaskConfig.of({**chosen, **overrides})


def high_priority_config(**overrides: Unpack[TaskOptions]) -> TaskConfig:
    """For work that goes before what is queued already.

    ``priority`` HIGH (10; nothing gets above it by waiting), ``timeout`` 2 min, ``max_retries`` 3, ``retry_delay``
    500 ms, ``max_delay`` 10 s. All else as in :class:`TaskConfig`. TaskOptionError for an override that makes no sense.
    """
    chosen: TaskOptions = {
        "priority": Priority.HIGH,
        "timeout": 120.0,
        "max_retries": 3,
        "retry_delay": 0.5,
        "max_delay": 10.0,
    }
    return TaskConfig.of({**chosen, **overrides})
