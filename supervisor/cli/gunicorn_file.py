"""What a Gunicorn config file says, read as Gunicorn reads it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gunicorn.app.base import Application

from supervisor.errors import UnreadableFileError
from supervisor.gunicorn import attached


@dataclass(frozen=True, slots=True)
class GunicornFile:
    """What of it matters to a supervisor. Times are seconds."""

    graceful_timeout: float
    """What web workers have for their last requests after TERM."""
    timeout: float
    """After which a web worker that hangs is killed; 0 for never."""
    home: Path
    """Where the application is."""
    settings: Mapping[str, Any] | None
    """What ``attach`` was given; None where the file does not attach a supervisor."""


class _File(Application):
    """A config file and GUNICORN_CMD_ARGS, without the command line and the application."""

    def __init__(self, path: str) -> None:
        self._path = path
        super().__init__()

    def load_config(self) -> None:
        self.load_config_from_file(self._path)
        parser = self.cfg.parser()
        for name, value in vars(parser.parse_args(self.cfg.get_cmd_args_from_env())).items():
            if value is not None and name not in ("args", "config"):
                self.cfg.set(name.lower(), value)


def read(path: str) -> GunicornFile:
    """Run the file, as ``gunicorn --check-config`` does. Raises UnreadableFileError with what it stumbled over."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            cfg = _File(path).cfg
    except (Exception, SystemExit) as error:  # Gunicorn prints the traceback, and exits
        lines = [line for line in said.getvalue().splitlines() if line.strip()]
        raise UnreadableFileError(path, lines[-1].strip() if lines else str(error)) from error
    return GunicornFile(cfg.graceful_timeout, cfg.timeout, Path(cfg.chdir), attached(cfg))
