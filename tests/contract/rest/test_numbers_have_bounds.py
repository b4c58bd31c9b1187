"""No number that comes in by REST is without bounds: 1e308 squared is infinity."""

from __future__ import annotations

from typing import Any

from csms.app import rest_document

_LEAST = ("minimum", "exclusiveMinimum", "enum", "const")
_MOST = ("maximum", "exclusiveMaximum", "enum", "const")


class _Walk:
    """Looks at all that requests may hold."""

    def __init__(self) -> None:
        document = rest_document()
        self._schemas: dict[str, Any] = document["components"]["schemas"]
        self._seen: set[str] = set()
        self.numbers = 0
        self.unbounded: list[str] = []
        for path, methods in document["paths"].items():
            for operation in (each for each in methods.values() if isinstance(each, dict)):
                for content in operation.get("requestBody", {}).get("content", {}).values():
                    self._look(content["schema"], path)
                for parameter in operation.get("parameters", ()):
                    self._look(parameter.get("schema", {}), f"{path}?{parameter['name']}")

    def _look(self, schema: dict[str, Any], place: str) -> None:
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            if name not in self._seen:
                self._seen.add(name)
                self._look(self._schemas[name], name)
            return
        if schema.get("type") == "number":
            self.numbers += 1
            if not any(each in schema for each in _LEAST) or not any(
                each in schema for each in _MOST
            ):
                self.unbounded.append(place)
        for kind in ("anyOf", "oneOf", "allOf", "prefixItems"):
            for each in schema.get(kind, ()):
                self._look(each, place)
        for kind in ("items", "additionalProperties"):
            if isinstance(schema.get(kind), dict):
                self._look(schema[kind], f"{place}[]")
        for name, each in schema.get("properties", {}).items():
            self._look(each, f"{place}.{name}")


def test_every_number_of_a_request_has_bounds() -> None:
    walk = _Walk()
    assert walk.numbers > 50
    assert walk.unbounded == []
