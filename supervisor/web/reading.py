"""Reading what a request says, as the types of its operation; ProblemError where it makes no sense."""

from __future__ import annotations

from typing import Any, get_origin, get_type_hints

import msgspec
from starlette.requests import Request

from supervisor.web.problems import ProblemError

_MOST = 64 * 1024
"""Bytes of a body."""


def read_query(request: Request, kind: type[msgspec.Struct] | None) -> Any:
    """The parameters behind the question mark; those that nobody asked for are passed over."""
    if kind is None:
        return None
    hints = get_type_hints(kind)
    found: dict[str, object] = {}
    for name in kind.__struct_fields__:
        given = [each for each in request.query_params.getlist(name) if each]
        if given:
            found[name] = given if get_origin(hints[name]) is tuple else given[-1]
    return _convert(lambda: msgspec.convert(found, kind, strict=False))


async def read_body(request: Request, kind: type[msgspec.Struct] | None) -> Any:
    """The JSON of the body; an empty one is an empty object."""
    if kind is None:
        return None
    data = await _receive(request)
    if not data.strip():
        return _convert(lambda: msgspec.convert({}, kind))
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ProblemError(415, "the body must be JSON: send Content-Type: application/json", "media-type")
    return _convert(lambda: msgspec.json.decode(data, type=kind))


async def _receive(request: Request) -> bytes:
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > _MOST:
            raise ProblemError(413, f"the body is over {_MOST:,} bytes", "too-large")
    return data


def _convert(read: Any) -> Any:
    try:
        return read()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, f"that makes no sense: {error}", "invalid") from error
