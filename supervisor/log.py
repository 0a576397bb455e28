"""The logger ``supervisor``: plain lines on stderr, which systemd takes up, or in Gunicorn's error log."""

from __future__ import annotations

import logging
import logging.handlers
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
    handler.setFormatter(logging.Formatter(_FORMAT, "%Y-%m-%d %H:%M:%S %z"))
    handler.addFilter(_Role(role))
    log.handlers[:] = [handler]
    log.setLevel(level.upper())
    log.propagate = False
