"""The OpenAPI document, made from the operations and the types that they take and give."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from aiojobs_redis.version import VERSION
from aiojobs_redis.web.api.parameters import ELSEWHERE
from aiojobs_redis.web.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiojobs_redis.web.api.operation import Operation

__all__ = ["document"]

_ALWAYS = (403, 404, 429, 500, 503)
_GUARDED = (401,)
_TEXTS = {
    401: "Who asks has not said who they are.",
    403: "They may not do that.",
    404: "There is no such thing.",
    409: "It is not possible in the state that the job is in.",
    413: "It is too large.",
    415: "The body is not JSON.",
    422: "Something in the request is not acceptable; `field` says what.",
    429: "Too much, too fast; `Retry-After` says when again.",
    500: "A fault of the dashboard.",
    503: "Redis does not answer, or takes no more.",
}
_HEADERS = {
    "202": ("Location", "Where the job is."),
    "401": ("WWW-Authenticate", "`Bearer`."),
    "429": ("Retry-After", "Seconds to wait before the next try."),
}
_ID = (
    f"The id, where the path has `{ELSEWHERE}` for it: of one that a path cannot hold, which are "
    "`.`, `..` and those with a slash."
)
_REF = "#/components/schemas/{name}"


def document(operations: Sequence[Operation], queues: Iterable[str], root: str) -> dict[str, Any]:
    """Return the document.

    Args:
        operations: What it describes.
        queues: Names of the queues.
        root: Under which path the API is; empty for that of the host itself.
    """
    kinds: list[Any] = [Problem, *(one.returns for one in operations)]
    kinds += [one.body for one in operations if one.body is not None]
    kinds += [one.query for one in operations]
    refs, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    schema = dict(zip(map(id, kinds), refs, strict=True))
    queries = {one.query.__name__ for one in operations}
    parameters = {name: components[name] for name in queries}
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        described = _operation(one, schema, parameters[one.query.__name__], list(queues))
        paths.setdefault(one.path, {})[one.method.lower()] = described
    used = {name: text for name, text in components.items() if name not in queries}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "aiojobs-redis",
            "version": VERSION,
            "description": "Jobs, queues, schedules and workers. Errors are problem+json.",
        },
        # Without it a client takes the paths for those of the host.
        "servers": [{"url": root or "/"}],
        "paths": paths,
        "components": {
            "schemas": used,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"bearer": []}],
    }


def _operation(
    one: Operation, schema: dict[int, Any], query: dict[str, Any], queues: list[str]
) -> dict[str, Any]:
    wants: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _path_schema(name, queues)}
        for name in re.findall(r"{(\w+)}", one.path)
    ]
    required = query.get("required", [])
    wants += [
        {
            "name": name,
            "in": "query",
            "required": name in required or (name == "queue" and len(queues) > 1),
            "schema": {"type": "string", "enum": queues} if name == "queue" else _single(text),
            **({"description": _ID} if name == "id" else {}),
        }
        for name, text in query.get("properties", {}).items()
    ]
    content = {"application/json": {"schema": schema[id(one.returns)]}}
    answers: dict[str, Any] = {
        str(status): {
            "description": "Done." if status < 300 else _TEXTS[status],
            "content": content,
        }
        for status in (one.status, *one.also)
    }
    statuses = {*_ALWAYS, *one.errors, *(() if one.open else _GUARDED)}
    if one.body is not None:
        statuses |= {413, 415, 422}
    problem = {"application/problem+json": {"schema": schema[id(Problem)]}}
    for status in sorted(statuses):
        told = answers.setdefault(str(status), {"description": _TEXTS[status], "content": {}})
        told["content"] = told["content"] | problem
    for status, (name, text) in _HEADERS.items():
        if status in answers:
            answers[status]["headers"] = {name: {"description": text, "schema": {"type": "string"}}}
    described: dict[str, Any] = {
        "operationId": one.id,
        "summary": one.summary,
        "parameters": wants,
        "responses": answers,
    }
    if one.body is not None:
        described["requestBody"] = {
            "required": not one.optional,
            "content": {"application/json": {"schema": schema[id(one.body)]}},
        }
    if one.open:
        described["security"] = []
    return described


def _path_schema(name: str, queues: list[str]) -> dict[str, Any]:
    if name == "queue":
        return {"type": "string", "enum": queues}
    return {"type": "string", "minLength": 1, "maxLength": 256}


def _single(text: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter: what is left out is null, so null itself is not given."""
    options = [one for one in text.get("anyOf", ()) if one != {"type": "null"}]
    found = dict(options[0]) if len(options) == 1 else text
    return {name: value for name, value in found.items() if name != "default" or value is not None}
