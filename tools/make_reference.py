"""Writes the parts of the documents that the code tells: settings, commands, REST, scenarios.

The pages are written by hand; what stands between `<!-- generated: NAME -->` and `<!-- end -->` is
made here from the code's own names and docstrings, so that it can't promise what is not there. A
test fails while what is committed is stale. Run `python -m tools.make_reference`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import typer

from csms.app import rest_document
from csms.cli import COMMANDS
from csms.config import ENVIRONMENT_PREFIX, ForecastSourceSettings, Settings
from csms.web.identity import SCOPES, Scope
from models.quirks import CATALOGUE, DEFAULTS
from scheduler.explaining.words import MEANINGS
from simulators import changes, past, scenario
from simulators.faults import FAULTS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
WIDTH = 92
_REGION = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages() -> list[Path]:
    """Returns the pages that have generated parts."""
    return [
        path
        for path in sorted(DOCS.rglob("*.md"))
        if _REGION.search(path.read_text(encoding="utf-8"))
    ]


def rendered(text: str) -> str:
    """Returns a page with its generated parts made anew."""
    return _REGION.sub(lambda found: f"{found[1]}{PARTS[found['name']]()}{found[3]}", text)


def attribute_docs(module: Any, name: str) -> dict[str, str]:
    """Returns the docstrings that stand below the attributes of a class."""
    tree = _tree(Path(module.__file__))
    owner = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
    docs: dict[str, str] = {}
    for node, following in zip(owner.body, owner.body[1:], strict=False):
        if (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
        ):
            docs[node.target.id] = _one_line(str(following.value.value))
    return docs


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def settings() -> str:
    """Returns the table of settings."""
    import csms.config  # noqa: PLC0415 - the module itself, for its docstrings

    docs = attribute_docs(csms.config, "Settings")
    schema = Settings.model_json_schema()["properties"]

    def row(name: str) -> tuple[str, ...]:
        default = Settings.model_fields[name].default
        shown = (
            ""
            if default in {None, ()}
            else f"`{default if isinstance(default, str) else str(default).lower()}`"
        )
        allowed = _allowed(schema[name])
        variable = f"`{ENVIRONMENT_PREFIX}{name.upper()}`"
        return (variable, f"`{name}`", shown, allowed, docs[name])

    head = ("environment", "file", "default", "allowed", "meaning")
    return _table(head, map(row, Settings.model_fields))


def forecast_source_settings() -> str:
    """Returns the table of what is set of a source of forecasts."""
    import csms.config  # noqa: PLC0415 - the module itself, for its docstrings

    docs = attribute_docs(csms.config, "ForecastSourceSettings")
    schema = ForecastSourceSettings.model_json_schema()["properties"]

    def row(name: str) -> tuple[str, ...]:
        default = ForecastSourceSettings.model_fields[name].default
        shown = f"`{default}`" if isinstance(default, int | float) else ""
        return (f"`{name}`", shown, _allowed_of_source(schema[name]), docs[name])

    head = ("field", "default", "allowed", "meaning")
    return _table(head, map(row, ForecastSourceSettings.model_fields))


def _allowed_of_source(schema: dict[str, Any]) -> str:
    if "exclusiveMinimum" in schema:
        return f"above {schema['exclusiveMinimum']}, up to {schema['maximum']}"
    kinds = {"array": "a list of ids", "object": "a table"}
    return kinds.get(schema["type"]) or _allowed(schema)


def _allowed(schema: dict[str, Any]) -> str:
    """Says in short what the JSON schema of a setting allows."""
    if "anyOf" in schema:
        schema = next(each for each in schema["anyOf"] if each["type"] != "null")
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if "minimum" in schema:
        return f"{schema['minimum']} to {schema['maximum']}"
    if "maxLength" in schema:
        letters = "letters, digits, `_`, `.`, `-`" if "pattern" in schema else "characters"
        return f"{schema['minLength']} to {schema['maxLength']} {letters}"
    if schema["type"] == "array" and "$ref" in schema["items"]:
        return "tables of the file, none in the environment"
    if schema["type"] == "array" and "pattern" in schema["items"]:
        return "names, parted by commas"
    kinds = {"boolean": "`true`, `false`", "array": "one file, or two parted by a comma"}
    formats = {"path": "a file", "password": "a secret"}
    return kinds.get(schema["type"]) or formats.get(schema.get("format", ""), "text")


def commands() -> str:
    """Returns the help of every command."""
    return "\n".join(
        f"### `heliofleet {name}`\n\n```text\n{text}\n```\n" for name, text in command_helps()
    )


def command_helps() -> Iterator[tuple[str, str]]:
    """Yields every command (of a group, its commands) with its help."""
    for name, entry in COMMANDS.items():
        command: Any = typer.main.get_command(entry.load())
        found = command.commands.items() if entry.is_group else [("", command)]
        for inner, each in found:
            whole = f"{name} {inner}".strip()
            context = typer.Context(each, info_name=f"heliofleet {whole}", terminal_width=WIDTH)
            yield whole, each.get_help(context).rstrip()


def endpoints() -> str:
    """Returns every address of the REST door, with what it does."""

    def rows() -> Iterator[tuple[str, ...]]:
        for path, operations in rest_document()["paths"].items():
            for method, operation in operations.items():
                good = next(status for status in operation["responses"] if status[0] in "23")
                address = f"`{method.upper()} {path.removeprefix('/api/v1')}`"
                yield address, good, _one_line(operation["description"])

    return _table(("address", "answers", "what it does"), rows())


def roles() -> str:
    """Returns which role has which scope."""
    scopes = get_args(Scope)
    rows = (
        (f"`{role}`", *("yes" if scope in owned else "" for scope in scopes))
        for role, owned in SCOPES.items()
    )
    return _table(("role", *(f"`{scope}`" for scope in scopes)), rows)


def scenario_fields() -> str:
    """Returns the fields of a scenario file, part by part."""
    parts = [scenario.Scenario, *_nested(scenario.Scenario)]
    return "\n".join(_fields(part) for part in parts)


def changes_fields() -> str:
    """Returns the fields of a file of changes, part by part; what scenarios have too is there."""
    parts = [changes.Changes, *_nested(changes.Changes)]
    own = [part for part in parts if part.__module__ == changes.__name__]
    return "\n".join(_fields(part) for part in own)


def _nested(part: type[msgspec.Struct]) -> list[type[msgspec.Struct]]:
    """Returns the structs that fields of this one hold, in order, deep ones after their owner."""
    found: list[type[msgspec.Struct]] = []
    for field in msgspec.structs.fields(part):
        for each in _structs_of(field.type):
            found += [each, *_nested(each)]
    return found


def _structs_of(kind: Any) -> list[type[msgspec.Struct]]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [kind]
    return [each for inner in get_args(kind) for each in _structs_of(inner)]


def _default(field: Any) -> Any:
    made = field.default is msgspec.NODEFAULT
    return field.default_factory() if made else field.default


def _fields(part: type[msgspec.Struct]) -> str:
    docs: dict[str, str] = {}
    for kind in reversed(part.__mro__):
        if kind.__module__ in {scenario.__name__, changes.__name__, past.__name__}:
            docs |= attribute_docs(sys.modules[kind.__module__], kind.__name__)

    def row(field: Any) -> tuple[str, ...]:
        default = "" if field.required else f"`{msgspec.json.encode(_default(field)).decode()}`"
        return (f"`{field.name}`", _kind(field.type), default, docs.get(field.name, ""))

    title = f"### {part.__name__}\n\n{_one_line((part.__doc__ or '').splitlines()[0])}\n\n"
    head = ("field", "type", "default", "meaning")
    return title + _table(head, map(row, msgspec.structs.fields(part)))


def _kind(kind: Any) -> str:
    """Says in words what a field of a scenario takes."""
    known = next((words for each, words in _KINDS if kind == each), None)
    if known is not None:
        return known
    text, inner = str(kind), [each for each in get_args(kind) if each is not Ellipsis]
    if get_origin(inner[0] if inner else None) is tuple and isinstance(inner[-1], msgspec.Meta):
        most = inner[-1].max_length
        return _kind(inner[0]) + ("" if most is None else f", at most {most}")
    many = "list of " if text.startswith("tuple") else ""
    structs = _structs_of(kind)
    if type(None) in inner and not structs:
        said = f"{_kind(inner[0])}, or nothing"
    elif structs:
        name = structs[0].__name__
        said = f"{many}[{name}](#{name.lower()})"
    elif text.startswith("typing.Literal"):
        said = ", ".join(f"`{each}`" for each in inner)
    elif text.startswith("dict"):
        said = "numbers by name" if inner[0] is str else f"weights of: {_kind(inner[0])}"
    elif many:
        said = many + _kind(inner[0]) if len(inner) == 1 else "two numbers"
    else:
        said = f"{_kind(inner[0])}, {_bounds(inner[1])}"
    return said


def _bounds(meta: msgspec.Meta) -> str:
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    words["max_length"] = "of a length of at most"
    limits = {word: getattr(meta, name) for name, word in words.items()}
    return ", ".join(f"{word} {limit}" for word, limit in limits.items() if limit is not None)


_KINDS: list[tuple[Any, str]] = [
    (scenario.Positive, "number above 0"),
    (scenario.NotNegative, "number, at least 0"),
    (scenario.Share, "share, 0 to 1"),
    (scenario.Hourly, "24 numbers, one per hour"),
    (scenario.Monthly, "12 numbers, one per month"),
    (scenario.Identity, "name: 1 to 48 letters, digits, `.`, `_`, `-`"),
    (datetime, "instant with an offset"),
    (str, "text"),
    (str | None, "text or nothing"),
    (int, "whole number"),
    (float, "number"),
    (bool, "`true`, `false`"),
]


def faults() -> str:
    """Returns the table of faults."""
    return _table(("fault", "what happens"), ((f"`{k}`", v) for k, v in FAULTS.items()))


_RESPONSES = {
    "tolerate": "tolerated",
    "forgive": "forgiven",
    "adapt": "worked around",
    "notice": "noticed",
    "show": "shown",
}


def quirks() -> str:
    """Returns the catalogue of quirks, a table for each group."""
    parts: list[str] = []
    for group in dict.fromkeys(quirk.group for quirk in CATALOGUE.values()):
        rows = [
            (
                f"`{quirk.id}`",
                ", ".join(quirk.versions) if len(quirk.versions) == 1 else "all",
                quirk.does,
                f"{_RESPONSES[quirk.we]}: {quirk.how}",
                "yes" if quirk.setting else "",
                quirk.source or "-",
            )
            for quirk in CATALOGUE.values()
            if quirk.group == group
        ]
        header = ("quirk", "versions", "what the station does", "what we do", "record", "source")
        parts.append(f"### {group.capitalize()}\n\n{_table(header, rows)}")
    return "\n\n".join(parts)


def quirk_defaults() -> str:
    """Returns the table of what stations of a vendor get on their record."""
    rows = [
        (each.vendor, each.model or "all", ", ".join(f"`{name}`" for name in each.quirks))
        for each in DEFAULTS
    ]
    return _table(("vendor", "model", "quirks"), rows)


def reasons() -> str:
    """Returns the table of reasons for charging."""
    return _table(("code", "meaning"), ((f"`{k}`", v) for k, v in MEANINGS.items()))


def features() -> str:
    """Returns the table of features: the packages of `csms` that have a door of their own."""
    found = [
        package
        for package in sorted((ROOT / "csms").iterdir())
        if (package / "api.py").exists() or (package / "api").is_dir()
    ]
    rows = [
        (f"`{each.name}`", ast.get_docstring(_tree(each / "__init__.py")) or "") for each in found
    ]
    return _table(("feature", "what it is about"), rows)


PARTS: dict[str, Callable[[], str]] = {
    "features": features,
    "settings": settings,
    "forecast-sources": forecast_source_settings,
    "commands": commands,
    "endpoints": endpoints,
    "roles": roles,
    "scenario-fields": scenario_fields,
    "changes-fields": changes_fields,
    "faults": faults,
    "quirks": quirks,
    "quirk-defaults": quirk_defaults,
    "reasons": reasons,
}


def main() -> None:
    """Writes all pages anew."""
    for path in pages():
        path.write_text(rendered(path.read_text(encoding="utf-8")), encoding="utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
