"""How the supervisor is to be started here: by Gunicorn's config file, by a systemd unit, by both or neither."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from supervisor.cli import gunicorn_file, unit
from supervisor.cli.checks import stopping
from supervisor.cli.checks.finding import Finding, fault, ok
from supervisor.cli.gunicorn_file import GunicornFile
from supervisor.cli.unit import Unit
from supervisor.settings import Loaded, Settings


@dataclass(frozen=True, slots=True)
class Deployment:
    """What was named of it."""

    gunicorn: GunicornFile | None = None
    unit: Unit | None = None

    @classmethod
    def read(cls, config: str | None, service: str | None) -> Deployment:
        """Read what is named. Raises UnreadableFileError."""
        return cls(gunicorn_file.read(config) if config else None, unit.read(service) if service else None)

    def settings(self, command_line: Mapping[str, object]) -> Loaded:
        """The settings as the supervisor will find them. Raises SettingsError."""
        if self.gunicorn is None:
            return Settings.load(command_line=command_line)
        attach = self.gunicorn.settings or {}
        return Settings.load(command_line=command_line, attach=attach, directory=self.gunicorn.home)

    def check(self, settings: Settings) -> Iterator[Finding]:
        """Whether its parts fit together."""
        if self.gunicorn is not None:
            yield _attached(self.gunicorn, settings)
        yield from stopping.check(settings, self.gunicorn, self.unit)


def _attached(gunicorn: GunicornFile, settings: Settings) -> Finding:
    if gunicorn.settings is None:
        return fault(
            "gunicorn",
            "the config file does not attach a supervisor: end it with `attach(globals(), tasks=…)` from"
            " supervisor.gunicorn",
        )
    if not settings.worker_count:
        return ok("gunicorn", f"client only (workers = 0): the tasks run under another supervisor on {settings.dir}")
    return ok("gunicorn", f"runs the supervisor, with {settings.worker_count} task workers")
