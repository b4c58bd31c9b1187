"""Writes `csms/ocpp/wire/`: one msgspec struct for each object of the OCPP schemas.

The schemas are those of the `ocpp` package, which are the Open Charge Alliance's own. A struct
decodes and validates in one pass, forty times faster than a schema validator; a property test
holds the two verdicts together. Run `python -m tools.make_wire` after an update of `ocpp`; a test
fails while what is committed is stale.

What the structs do not check: date-time and uri formats (a matter of strictness, see
`csms.ocpp.schema`) and `multipleOf` (three schemas of 1.6, outbound only). Integers are bounded to
64 bits, which the schemas leave open and no database can store.
"""

from __future__ import annotations

import keyword
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import ocpp

VERSIONS = {"v16": "OCPP 1.6", "v201": "OCPP 2.0.1", "v21": "OCPP 2.1"}
TARGET = Path(__file__).parents[1] / "csms" / "ocpp" / "wire"
INT64_MAX = 2**63 - 1

Schema = dict[str, Any]


def load_schemas(version: str) -> dict[str, Schema]:
    """Returns the schemas of `version` ("v16", "v201", "v21") by struct name, sorted."""
    folder = Path(next(iter(ocpp.__path__))) / version / "schemas"
    found: dict[str, Schema] = {}
    for file in sorted(folder.glob("*.json")):
        name = file.stem
        if not name.endswith(("Request", "Response")):
            name += "Request"  # 1.6 names its requests, and 2.1 its SEND, by the bare action
        found[name] = msgspec.json.decode(file.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    return dict(sorted(found.items()))


@dataclass
class Module:
    """One version's module while it is being put together."""

    version: str
    declarations: dict[str, str] = field(default_factory=dict[str, str])
    shapes: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def add_root(self, name: str, schema: Schema) -> None:
        """Adds the struct of one request or response, and of all that it refers to."""
        definitions: dict[str, Schema] = schema.get("definitions", {})
        self._struct(name, schema, definitions, prefix=name.removesuffix("Request"))

    def _type(self, schema: Schema, definitions: dict[str, Schema], path: str) -> str:
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            return self._named(name, definitions[name], definitions)
        kind = schema.get("type")
        if kind is None:
            return "Any"
        if kind == "object":
            return self._named(path, schema, definitions)
        if kind == "array":
            item = self._type(schema["items"], definitions, path)
            return _constrained(
                f"list[{item}]", schema, minItems="min_length", maxItems="max_length"
            )
        if kind == "string":
            if "enum" in schema:
                return "Literal[" + ", ".join(f'"{value}"' for value in schema["enum"]) + "]"
            return _constrained("str", schema, minLength="min_length", maxLength="max_length")
        if kind == "integer":
            if "minimum" not in schema and "maximum" not in schema:
                return "Int64"
            bounded = {"minimum": -INT64_MAX - 1, "maximum": INT64_MAX} | schema
            return _constrained("int", bounded, minimum="ge", maximum="le")
        if kind == "number":
            return _constrained("float", schema, minimum="ge", maximum="le")
        assert kind == "boolean", kind
        return "bool"

    def _named(self, name: str, schema: Schema, definitions: dict[str, Schema]) -> str:
        shape = _shape(schema, definitions)
        while self.shapes.get(name, shape) != shape:
            name += "_"  # the same name for another shape in another schema
        if name not in self.shapes:
            self.shapes[name] = shape
            if schema.get("type") == "object":
                self._struct(name, schema, definitions, prefix=name)
            else:
                self.declarations[name] = f"{name} = {self._type(schema, definitions, name)}"
        return name

    def _struct(
        self, name: str, schema: Schema, definitions: dict[str, Schema], *, prefix: str
    ) -> None:
        required = set(schema.get("required", ()))
        lines: list[str] = []
        for wire_name, inner in schema.get("properties", {}).items():
            path = prefix + wire_name[0].upper() + wire_name[1:]
            annotation = self._type(inner, definitions, path)
            lines.append("    " + _field_line(wire_name, annotation, wire_name in required))
        closed = (
            ", forbid_unknown_fields=True" if schema.get("additionalProperties") is False else ""
        )
        head = (
            f"class {name}(\n    Struct, frozen=True, gc=False, kw_only=True, rename="
            f'"camel"{closed}\n):\n'
        )
        # Fields come after those that they refer to, so this declaration goes last.
        self.declarations.pop(name, None)
        self.declarations[name] = head + ("\n".join(lines) or "    pass")

    def text(self, roots: dict[str, Schema]) -> str:
        """Returns the module's source."""
        requests = [name for name in roots if name.endswith("Request")]
        responses = [name for name in roots if name.endswith("Response")]
        parts = [
            f'"""{VERSIONS[self.version]}: every request and response as a struct.\n\n'
            "Generated by tools/make_wire.py from the schemas of the `ocpp` package: do not edit.\n"
            '"""\n\n'
            "from __future__ import annotations\n\n"
            "from typing import Annotated, Any, Literal\n\n"
            "from msgspec import UNSET, Meta, Struct, UnsetType, field\n\n"
            f"Int64 = Annotated[int, Meta(ge={-INT64_MAX - 1}, le={INT64_MAX})]",
            *self.declarations.values(),
            _registry("REQUESTS", "Request", requests),
            _registry("RESPONSES", "Response", responses),
        ]
        return "\n\n".join(parts) + "\n"


def attribute_name(wire_name: str) -> str:
    """Returns the Python name of a property: `evseId` is `evse_id`, `limit_L2` is `limit_l2`."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", wire_name).lower()
    return snake + "_" if keyword.iskeyword(snake) else snake


def _field_line(wire_name: str, annotation: str, required: bool) -> str:  # noqa: FBT001
    attribute = attribute_name(wire_name)
    head, *tail = attribute.split("_")
    regular = head + "".join(part.title() for part in tail) == wire_name
    if required:
        return f"{attribute}: {annotation}" + ("" if regular else f' = field(name="{wire_name}")')
    default = "UNSET" if regular else f'field(name="{wire_name}", default=UNSET)'
    return f"{attribute}: {annotation} | UnsetType = {default}"


def _constrained(base: str, schema: Schema, **names: str) -> str:
    limits = [f"{meta}={_number(schema[word])}" for word, meta in names.items() if word in schema]
    return f"Annotated[{base}, Meta({', '.join(limits)})]" if limits else base


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _shape(schema: Schema, definitions: dict[str, Schema]) -> bytes:
    """Returns what tells two definitions of one name apart: their content, prose left out."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                return strip(definitions[value["$ref"].rsplit("/", 1)[1]])
            prose = {"description", "javaType", "comment", "title", "default"}
            return {
                key: strip(inner)
                for key, inner in value.items()  # pyright: ignore[reportUnknownVariableType]
                if key not in prose or isinstance(inner, dict)
            }
        return [strip(inner) for inner in value] if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType]

    return msgspec.json.encode(strip(schema), order="sorted")


def _registry(variable: str, suffix: str, names: list[str]) -> str:
    lines = "".join(f'    "{name.removesuffix(suffix)}": {name},\n' for name in names)
    return f"{variable}: dict[str, type[Struct]] = {{\n{lines}}}"


def generate(version: str) -> str:
    """Returns the source of the wire module of `version`."""
    roots = load_schemas(version)
    module = Module(version)
    for name, schema in roots.items():
        module.add_root(name, schema)
    return module.text(roots)


def main() -> int:
    """Writes all modules; returns the exit code."""
    TARGET.mkdir(exist_ok=True)
    for version in VERSIONS:
        (TARGET / f"{version}.py").write_text(generate(version), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
