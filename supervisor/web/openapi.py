"""The OpenAPI document, made of the same table that the routes are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, get_origin, get_type_hints

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from supervisor import __version__
from supervisor.errors import SupervisorError
from supervisor.web import csrf, problems
from supervisor.web.access import Role
from supervisor.web.operation import Operation
from supervisor.web.pages import base_of
from supervisor.web.problems import Problem
from supervisor.web.site import Site

_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{(\w+)(?::(\w+))?\}")
_KINDS = {"int": {"type": "integer", "minimum": 0}}


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The document, but for where the application is mounted."""
    types = [each for operation in operations for each in (operation.answer, operation.query, operation.body) if each]
    schemas, components = msgspec.json.schema_components([*types, Problem], ref_template=_REF)
    by_type = {repr(kind): schema for kind, schema in zip([*types, Problem], schemas, strict=True)}
    paths: dict[str, Any] = {}
    for operation in operations:
        path = "/" + _PARAMETER.sub(r"{\1}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, by_type, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "gunicorn-supervisor", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "supervisor_session"},
                "password": {"type": "http", "scheme": "basic"},
            },
        },
    }


def _operation(operation: Operation, by_type: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": f"{operation.method.lower()} {operation.path}",
        "summary": operation.about,
        "parameters": [*_path_parameters(operation), *_query_parameters(operation, components), *_headers(operation)],
        "responses": {str(operation.status): _good(operation, by_type), "default": _bad(by_type)},
        "security": [{}] if operation.role is Role.NOBODY else [{"session": []}, {"password": []}],
    }
    if operation.body is not None:
        schema = by_type[repr(operation.body)]
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if operation.path == "readyz":
        found["responses"]["503"] = found["responses"]["200"]
    return found


def _good(operation: Operation, by_type: dict[str, Any]) -> dict[str, Any]:
    if operation.status == 204:
        return {"description": "Done."}
    schema = by_type[repr(operation.answer)] if operation.answer else {"type": "string"}
    return {"description": operation.about, "content": {operation.media_type: {"schema": schema}}}


def _bad(by_type: dict[str, Any]) -> dict[str, Any]:
    return {"description": "A problem.", "content": {problems.MEDIA_TYPE: {"schema": by_type[repr(Problem)]}}}


def _path_parameters(operation: Operation) -> Iterable[dict[str, Any]]:
    for name, kind in _PARAMETER.findall(operation.path):
        schema = _KINDS.get(kind, {"type": "string", "minLength": 1})
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(operation: Operation, components: dict[str, Any]) -> Iterable[dict[str, Any]]:
    if operation.query is None:
        return
    hints = get_type_hints(operation.query)
    for name, schema in components[operation.query.__name__]["properties"].items():
        many = {"style": "form", "explode": True} if get_origin(hints[name]) is tuple else {}
        yield {"name": name, "in": "query", "required": False, "schema": schema, **many}


def _headers(operation: Operation) -> Iterable[dict[str, Any]]:
    if operation.is_action and operation.path != "api/session":
        yield {"name": csrf.HEADER, "in": "header", "required": True, "schema": {"type": "string"}}


def route(operations: Sequence[Operation], site: Site) -> Route:
    """The route of the document, for whoever may look."""
    told = document(operations)

    async def serve(request: Request) -> Response:
        try:
            site.access.refuse(await site.access.caller(request), Role.VIEWER)
        except SupervisorError as error:
            return problems.problem_of(error, request.url.path)
        here = {**told, "servers": [{"url": base_of(request).rstrip("/") or "/"}]}
        return Response(msgspec.json.encode(here), media_type="application/json")

    return Route("/openapi.json", serve, methods=["GET"])
