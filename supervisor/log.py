"""The logger ``supervisor``: plain lines on stderr, which systemd takes up, or in Gunicorn's error log."""

from __future__ import annotations

import logging
import logging.handlers
import sys

log = logging.getLogger("supervisor")
task_log = logging.getLogger("supervisor.task")
"""What tasks say; its lines are made by :mod:`supervisor.broker.tasklog`."""
_FORMAT = "[%(asctime)s] [%(process)d] [%(levelname)s] supervisor %(role)s: %(message)s"


class _Role(logging.Filter):
    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def filter(self, record: logging.LogRecord) -> bool:
        record.role = self._role
        return True


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return str(record.msg) if record.name == task_log.name else super().format(record)


def write_ready(text: str) -> None:
    """Write lines of tasks that are ready to be shown, whatever their levels."""
    task_log.handle(task_log.makeRecord(task_log.name, logging.CRITICAL, "", 0, text, (), None))


def configure(role: str, level: str, path: str = "") -> None:
    """Write what the logger gets from ``level`` on, each line naming the process and its role.

    To the file ``path``, which may be rotated at any time; to stderr where none is named or it cannot be opened.
    """
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if path:
        try:
            handler = logging.handlers.WatchedFileHandler(path, encoding="utf-8")
        except OSError as error:
            sys.stderr.write(f"supervisor {role}: {path} cannot be written, so this goes on here: {error}\n")
    handler.setFormatter(_Formatter(_FORMAT, "%Y-%m-%d %H:%M:%S %z"))
    handler.addFilter(_Role(role))
    log.handlers[:] = [handler]
    log.setLevel(level.upper())
    log.propagate = False
