"""What a systemd unit says about how a service is stopped: of one that systemd knows by name, or of a file."""

from __future__ import annotations

import math
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from supervisor.errors import UnreadableFileError

_SECONDS = 5.0
_SHOWN = {"TimeoutStopUSec": "TimeoutStopSec", "WatchdogUSec": "WatchdogSec"}
_DEFAULTS = {
    "Type": "simple",
    "TimeoutStopSec": "90",
    "KillMode": "control-group",
    "OOMPolicy": "stop",
    "Restart": "no",
    "NotifyAccess": "",
    "WatchdogSec": "0",
    "ExecStart": "",
}
_UNITS = (
    (("us", "usec", "µs"), 1e-6),
    (("ms", "msec"), 1e-3),
    (("", "s", "sec", "second", "seconds"), 1.0),
    (("m", "min", "minute", "minutes"), 60.0),
    (("h", "hr", "hour", "hours"), 3600.0),
    (("d", "day", "days"), 86400.0),
    (("w", "week", "weeks"), 604800.0),
)
_FACTORS = {name: factor for names, factor in _UNITS for name in names}
_SPAN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zµ]*)")


@dataclass(frozen=True, slots=True)
class Unit:
    """A service, with systemd's defaults for what it does not say."""

    name: str
    type: str
    timeout_stop: float
    """Seconds; infinite for no limit."""
    kill_mode: str
    oom_policy: str
    restart: str
    watchdog: bool
    """Whether systemd kills it when it hears nothing for a while."""
    notify_access: str
    """Whom of its processes systemd hears."""
    command: str
    """What it starts; empty where that is not said."""

    @property
    def notifies(self) -> bool:
        """Whether systemd hears what it is told, such as that a stop takes longer."""
        return self.type.startswith("notify")


def read(name: str) -> Unit:
    """The unit in the file of that path, with the drop-ins beside it, or else the one that systemd knows by that
    name. Raises UnreadableFileError.
    """
    path = Path(name)
    if "/" in name or path.is_file():
        return _unit(name, {**_DEFAULTS, **_of_file(path)})
    return _unit(name, {**_DEFAULTS, **_known(name)})


def seconds(span: str) -> float:
    """A time span as systemd writes it: ``90``, ``1min 30s``, ``infinity``. ValueError when it is none."""
    if span.strip() == "infinity":
        return math.inf
    total, place = 0.0, 0
    while place < len(span.rstrip()):
        part = _SPAN.match(span, place)
        if part is None or part[2] not in _FACTORS:
            raise ValueError(span)
        total += float(part[1]) * _FACTORS[part[2]]
        place = part.end()
    if not place:
        raise ValueError(span)
    return total


def _unit(name: str, words: Mapping[str, str]) -> Unit:
    try:
        stop = seconds(words["TimeoutStopSec"])
    except ValueError:
        raise UnreadableFileError(name, f"TimeoutStopSec={words['TimeoutStopSec']} is no time span") from None
    # 0 is written for "no limit" as well.
    kind = words["Type"]
    heard = words["NotifyAccess"] or ("main" if kind.startswith("notify") else "none")
    manners = (words["KillMode"], words["OOMPolicy"], words["Restart"])
    watchdog = words["WatchdogSec"] not in ("", "0", "infinity")
    return Unit(name, kind, stop or math.inf, *manners, watchdog, heard, words["ExecStart"])


def _of_file(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in (path, *sorted(path.with_name(f"{path.name}.d").glob("*.conf"))):
        try:
            text = each.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise UnreadableFileError(str(each), str(error)) from error
        found |= _service_words(text.splitlines())
    return found


def _service_words(lines: Iterable[str]) -> dict[str, str]:
    """What the section [Service] says; of a key that is there twice the last, as all that matter here are of one
    value.
    """
    section = ""
    words: dict[str, str] = {}
    for key, value in _assignments(lines):
        if not value and key.startswith("["):
            section = key
        elif section == "[Service]":
            words |= {"TimeoutStopSec": value} if key == "TimeoutSec" else {key: value}
    return words


def _assignments(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        plain = line.strip()
        if plain and plain[0] not in "#;":
            key, _, value = plain.partition("=")
            yield key.strip(), value.strip()


def _known(name: str) -> dict[str, str]:
    wanted = ",".join(("LoadState", *_SHOWN, *_DEFAULTS))
    try:
        ran = subprocess.run(
            ["systemctl", "show", "--property", wanted, "--", name],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnreadableFileError(name, f"systemctl cannot be asked: {error}; name the unit's file") from error
    if ran.returncode:
        raise UnreadableFileError(name, f"systemctl says: {ran.stderr.strip()}; name the unit's file")
    words = {_SHOWN.get(key, key): value for key, value in _assignments(ran.stdout.splitlines())}
    if words.get("LoadState") != "loaded":
        raise UnreadableFileError(name, f"systemd has no such unit ({words.get('LoadState')})")
    return words
