"""Payloads made from the OCPP schemas: valid ones, and mutants with exactly one fault.

A walker of our own over the few keywords that the schemas use; it shares no code with `csms`.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from importlib import resources
from typing import Any

import msgspec

FOLDERS = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}
VERSIONS = tuple(FOLDERS)

Schema = dict[str, Any]


def schema_names(version: str) -> list[str]:
    """Returns the file stems of all schemas of a version."""
    folder = resources.files("ocpp") / FOLDERS[version] / "schemas"
    return sorted(file.name.removesuffix(".json") for file in folder.iterdir())


def schema_of(version: str, stem: str) -> Schema:
    """Returns one schema as a document."""
    file = resources.files("ocpp") / FOLDERS[version] / "schemas" / f"{stem}.json"
    return msgspec.json.decode(file.read_bytes().removeprefix(b"\xef\xbb\xbf"))


def wire_name(stem: str) -> str:
    """Returns the name with its direction: 1.6 calls its requests by the bare action."""
    return stem if stem.endswith(("Request", "Response")) else stem + "Request"


def request_schema(version: str, action: str) -> Schema:
    """Returns the schema of a request by its action."""
    stems = schema_names(version)
    return schema_of(version, action if action in stems else f"{action}Request")


def valid(root: Schema, chance: random.Random, *, fullness: float) -> Any:
    """Returns a valid document; each optional member is there with probability `fullness`."""

    def make(schema: Schema) -> Any:
        schema = _resolved(schema, root)
        kind = schema.get("type")
        if kind == "object":
            required = set(schema.get("required", ()))
            return {
                name: make(inner)
                for name, inner in schema.get("properties", {}).items()
                if name in required or chance.random() < fullness
            }
        if kind == "array":
            least = schema.get("minItems", 0)
            most = min(schema.get("maxItems", least + 2), least + 2)
            return [
                make(schema["items"]) for _ in range(chance.randint(max(least, 1), max(most, 1)))
            ]
        return _scalar(schema, chance)

    return make(root)


def _resolved(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        schema = root["definitions"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def _scalar(schema: Schema, chance: random.Random) -> Any:
    match schema.get("type"):
        case "string":
            made = _text(schema, chance)
        case "boolean":
            made = chance.random() < 0.5
        case "integer" | "number" as kind:
            low, high = schema.get("minimum", -1000), schema.get("maximum", 100_000)
            low, high = min(low, high), max(low, high)
            made = chance.randint(int(low), int(min(high, low + 1000)))
            if kind == "number" and chance.random() < 0.7:
                made = min(high, made + chance.choice([0.0, 0.1, 0.5]))
        case _:  # no type: anything goes
            made = chance.choice([None, "text", 7, {"any": ["thing"]}])
    return made


def _text(schema: Schema, chance: random.Random) -> str:
    if "enum" in schema:
        return chance.choice(schema["enum"])
    if schema.get("format") == "date-time":
        return f"2026-06-{chance.randint(1, 30):02}T12:00:00Z"
    if schema.get("format") == "uri":
        return "https://example.org/x"
    length = chance.randint(0, min(schema.get("maxLength", 20), 20))
    return "".join(chance.choice("abcXYZ019 é😀") for _ in range(length))


def mutants(root: Schema, document: Any) -> Iterator[tuple[str, str, Any]]:
    """Yields (pointer, keyword, document) for each single fault that can be put into `document`."""
    for path, schema in _places(root, document, ()):
        for keyword, value in _faulty(schema, _at(document, path), root):
            yield _pointer(path), keyword, _replaced(document, path, value)


def _places(schema: Schema, value: Any, path: tuple[Any, ...], root: Schema | None = None) -> Any:
    root = schema if root is None else root
    schema = _resolved(schema, root)
    yield path, schema
    if isinstance(value, dict):
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                yield from _places(inner, value[name], (*path, name), root)
    elif isinstance(value, list) and value and "items" in schema:
        yield from _places(schema["items"], value[0], (*path, 0), root)


def _faulty(schema: Schema, value: Any, root: Schema) -> Iterator[tuple[str, Any]]:
    kind = schema.get("type")
    if kind is None:
        return
    wrong = {
        "object": [],
        "array": {},
        "string": 5,
        "integer": "5",
        "number": "5",
        "boolean": "true",
    }
    yield "type", wrong[kind]
    yield "type", None
    if kind == "integer":
        yield "type", 5.5
        yield "type", True
    if kind == "object":
        for name in schema.get("required", ()):
            yield "required", {key: inner for key, inner in value.items() if key != name}
        if schema.get("additionalProperties") is False:
            yield "additionalProperties", {**value, "somethingElse": 1}
    if "enum" in schema:
        yield "enum", "NoSuchWord"
        yield "enum", schema["enum"][0] + " "
    if "maxLength" in schema:
        yield "maxLength", "é" * (schema["maxLength"] + 1)
        yield "", "é" * schema["maxLength"]
    if "minimum" in schema:
        yield "minimum", int(schema["minimum"]) - 1
        yield "", int(schema["minimum"])
    if "maximum" in schema:
        yield "maximum", int(schema["maximum"]) + 1
        yield "", int(schema["maximum"])
    if schema.get("minItems"):
        yield "minItems", value[: schema["minItems"] - 1]
    if "maxItems" in schema:
        item = value[0] if value else valid(schema["items"], random.Random(0), fullness=0)
        yield "maxItems", [item] * (schema["maxItems"] + 1)


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


def _replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(document)
    _at(changed, path[:-1])[path[-1]] = value
    return changed


def _pointer(path: tuple[Any, ...]) -> str:
    return "".join(f"/{step}" for step in path)
