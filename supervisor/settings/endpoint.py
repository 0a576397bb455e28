"""Settings that name where something is shown: a port of this machine alone, a file."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any

from supervisor.settings.kind import Plain

_ENDPOINT = re.compile(r"(?:(?P<host>[^:\s]+|\[[0-9a-fA-F:]+\]):)?(?P<port>\d{1,5})", re.ASCII)
_HOST = "127.0.0.1"


class Endpoint(Plain):
    """A port, or a host and a port, that only this machine reaches."""

    unit = "`host:port` of this machine"
    expects = 'a port, or a host and a port that only this machine reaches, such as "127.0.0.1:9464"'

    def read(self, value: object) -> str:
        found = _ENDPOINT.fullmatch(str(value).strip()) if isinstance(value, str | int) else None
        if found is None or isinstance(value, bool) or not 1 <= int(found["port"]) <= 65535:
            raise ValueError
        host = (found["host"] or _HOST).strip("[]")
        host = _HOST if host == "localhost" else host
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            raise ValueError(f"{host!r} is no address") from None
        if not address.is_loopback:
            raise ValueError("others must not reach it, for nobody is asked who he is: put a proxy in front that asks")
        return f"[{address}]:{found['port']}" if address.version == 6 else f"{address}:{found['port']}"


def split(endpoint: str) -> tuple[str, int]:
    """Host and port of what :class:`Endpoint` has read."""
    host, _, port = endpoint.rpartition(":")
    return host.strip("[]"), int(port)


class PromFile(Plain):
    """A file for the node exporter."""

    unit = "path"
    expects = "an absolute path that ends in .prom, for the node exporter reads no others"

    def read(self, value: object) -> Path:
        text = str(value) if isinstance(value, str | Path) else ""
        if not text.startswith("/") or "\0" in text or not text.endswith(".prom"):
            raise ValueError
        return Path(text)

    def plain(self, value: Any) -> object:
        return str(value)
