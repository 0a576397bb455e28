"""The logger ``supervisor``: plain lines on stderr, which Gunicorn's or systemd's log takes up."""

from __future__ import annotations

import logging
import sys

log = logging.getLogger("supervisor")
_FORMAT = "[%(asctime)s] [%(process)d] [%(levelname)s] supervisor %(role)s: %(message)s"


class _Role(logging.Filter):
    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def filter(self, record: logging.LogRecord) -> bool:
        record.role = self._role
        return True


def configure(role: str, level: str) -> None:
    """Write what the logger gets from ``level`` on to stderr, each line naming the process and its role."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(_FORMAT, "%Y-%m-%d %H:%M:%S %z"))
    handler.addFilter(_Role(role))
    log.handlers[:] = [handler]
    log.setLevel(level.upper())
    log.propagate = False
