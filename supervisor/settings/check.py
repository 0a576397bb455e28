"""The rules applied to settings that were read: sentences about those that are broken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from supervisor.settings.host import Host
from supervisor.settings.rule import HOST_WORDS, Rule
from supervisor.settings.spec import Spec, specs
from supervisor.system.cpus import format_cpus

if TYPE_CHECKING:
    from supervisor.settings.model import Settings

MEBIBYTE = 1024**2


@dataclass(frozen=True, slots=True)
class Check:
    """Settings beside the host they meet and the origin of each, ready to be held against rules."""

    settings: Settings
    origins: Mapping[str, str]
    host: Host

    def broken(self, rules: Iterable[Rule], spoiled: Iterable[str] = ()) -> list[str]:
        """A sentence for each broken rule, leaving out those about a setting that could not be read."""
        unread = frozenset(spoiled)
        held = [rule for rule in rules if not rule.names & unread]
        return [rule.sentence(self._words()) for rule in held if rule.broken(self.settings, self.host)]

    def _words(self) -> Mapping[str, str]:
        return {
            **{name: self._told(spec) for name, spec in specs(self.settings).items()},
            "allowed": f"{HOST_WORDS['allowed']} ({format_cpus(self.host.cpus)})",
            "installed": f"{HOST_WORDS['installed']} ({self.host.memory // MEBIBYTE}M)",
        }

    def _told(self, spec: Spec) -> str:
        value = spec.show(getattr(self.settings, spec.name)) or "nothing"
        return f"{spec.name} = {value} ({self.origins[spec.name]})"
