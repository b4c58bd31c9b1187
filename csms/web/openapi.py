"""The OpenAPI 3.1 document: FastAPI's, with our errors and merge patches put in.

FastAPI describes its own 422 body and takes a PATCH body for a free object; both are corrected
here once, so that routes need not repeat it. `patch_of` marks a merge-patch route.
"""

from __future__ import annotations

import copy
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from csms.web.problem import PROBLEM_TYPE

TITLE = "Heliofleet"
_PATCH_MARK = "x-patch-of"
_PROBLEM = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    "description": "The same key and body within 24 hours: done once, answered alike.",
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "An ETag; a stale one is refused with 412.",
}


def patch_of(document: str) -> dict[str, Any]:
    """Returns the `openapi_extra` of a route that patches what `document` creates."""
    return {_PATCH_MARK: document}


def describe(app: FastAPI, version: str) -> dict[str, Any]:
    """Returns the whole document."""
    document = get_openapi(
        title=TITLE,
        version=version,
        openapi_version="3.1.0",
        summary="Vehicle bookings, charging and local sun, planned together.",
        routes=app.routes,
    )
    schemas: dict[str, Any] = document["components"]["schemas"]
    for operations in document["paths"].values():
        for method, operation in operations.items():
            _correct(method, operation, schemas)
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    return document


def _correct(method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    # The first line of a route's docstring says more than its name in capitals.
    operation["summary"] = operation.get("description", "").split("\n")[0] or operation["summary"]
    for status, response in operation["responses"].items():
        if int(status) >= 400:
            response["content"] = _PROBLEM
    if method == "post":
        operation.setdefault("parameters", []).append(_IDEMPOTENCY)
    if method in {"patch", "delete"}:
        operation.setdefault("parameters", []).append(_IF_MATCH)
    source = operation.pop(_PATCH_MARK, None)
    if source is not None:
        schemas[f"{source}Patch"] = _patch_schema(schemas[source])
        schema = {"schema": {"$ref": f"#/components/schemas/{source}Patch"}}
        operation["requestBody"] = {
            "required": True,
            "content": {"application/merge-patch+json": schema, "application/json": schema},
        }


def _patch_schema(creation: dict[str, Any]) -> dict[str, Any]:
    """Returns the schema of a merge patch: any of the fields, null for the default."""
    patch = copy.deepcopy(creation)
    required = set(patch.pop("required", []))
    patch["title"] = f"{patch['title']}Patch"
    patch["description"] = "A JSON merge patch (RFC 7396)."
    for unchangeable in ("id", "identity"):
        patch["properties"].pop(unchangeable, None)
    for name, schema in patch["properties"].items():
        schema.pop("default", None)
        already = any(option == {"type": "null"} for option in schema.get("anyOf", []))
        if name not in required and not already:
            patch["properties"][name] = {"anyOf": [schema, {"type": "null"}]}
    return patch
