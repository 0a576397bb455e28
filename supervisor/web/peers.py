"""Where a request comes from, and by which name it calls us."""

from __future__ import annotations

from ipaddress import ip_address

from starlette.requests import HTTPConnection

_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")


def address_of(request: HTTPConnection) -> str:
    """The peer's address; empty where there is none, as behind a Unix socket."""
    return request.client.host if request.client else ""


def is_loopback(request: HTTPConnection) -> bool:
    """Whether a program on this machine asks for itself.

    A proxy on this machine asks for others, so whatever it adds says no; who asks behind it may write anything there.
    """
    if any(name in request.headers for name in _FORWARDED):
        return False
    return _is_loopback(address_of(request))


def host_of(request: HTTPConnection) -> str:
    """The name in the header Host, in lower case and without its port."""
    return hostname(request.headers.get("host", ""))


def hostname(written: str) -> str:
    """The name in ``name:port`` or ``[address]:port``."""
    text = written.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if text.count(":") == 1 else text


def names_loopback(host: str) -> bool:
    """Whether a name can only mean this machine: a page of another site that had its own name point here has not."""
    return host == "localhost" or host.endswith(".localhost") or _is_loopback(host)


def _is_loopback(text: str) -> bool:
    try:
        found = ip_address(text)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback
