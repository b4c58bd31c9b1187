"""What the documents say of the code is so: names of settings, commands, events and addresses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from csms.app import rest_document
from csms.cli import COMMANDS
from csms.config import Settings
from tools import make_ocpp_conformance, make_reference

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
THINGS = (
    *("site", "station", "vehicle", "vehicle_model", "driver", "id_token", "transaction"),
    *("booking", "plan", "command", "forecast", "prices", "local_list", "reservation"),
    *("firmware", "firmware_update", "campaign", "reconciliation", "station_log", "station_event"),
    *("inquiry", "display_message", "outside_limit"),
    *("firmware_publication",),
    *("tariff", "settlement"),
    *("ev_needs", "ev_schedule", "der_control", "der_alarm", "event_stream", "battery_swap"),
    *("station_check", "simulation", "override"),
)
EVENT = f"(?:{'|'.join(THINGS)})"
NO_EVENTS = {"command.queued", "plan.requested", "plan.failed", "plan.refused"}
"""Wake-ups and lines of the log, which have the form of events."""


def shell_lines() -> Iterator[tuple[Path, str]]:
    """Every line of shell in the documents, continued lines joined."""
    for path in DOCUMENTS:
        fenced = re.findall(
            r"^ *```(\w*)\n(.*?)^ *```$", path.read_text(), re.DOTALL | re.MULTILINE
        )
        for language, block in fenced:
            if language in ("", "sh", "bash"):
                for line in re.sub(r"\\\n\s*", " ", block).splitlines():
                    yield path, line.strip()


@pytest.mark.parametrize("page", make_reference.pages(), ids=lambda page: page.name)
def test_generated_parts_of_the_reference_are_those_of_the_code(page: Path) -> None:
    committed = page.read_text(encoding="utf-8")
    assert committed == make_reference.rendered(committed), "run `make docs`"


def test_the_page_of_conformance_is_that_of_its_tests() -> None:
    committed = make_ocpp_conformance.PAGE.read_text(encoding="utf-8")
    assert committed == make_ocpp_conformance.page(), "run `make docs`"


def test_every_case_of_the_certification_is_played_or_excepted() -> None:
    assert make_ocpp_conformance.complaints() == []


def test_every_generated_part_is_on_a_page() -> None:
    whole = "".join(page.read_text() for page in make_reference.pages())
    assert [
        name for name in make_reference.PARTS if f"<!-- generated: {name} -->" not in whole
    ] == []


def test_the_reference_lists_every_setting() -> None:
    page = (ROOT / "docs/reference/settings.md").read_text()
    assert [n for n in Settings.model_fields if f"`HELIOFLEET_{n.upper()}`" not in page] == []


def test_the_reference_lists_every_command() -> None:
    page = (ROOT / "docs/reference/commands.md").read_text()
    names = [name for name, _ in make_reference.command_helps()]
    assert {name.split(" ")[0] for name in names} == set(COMMANDS)
    assert [name for name in names if f"### `heliofleet {name}`\n" not in page] == []


def test_the_reference_lists_every_event_and_no_other() -> None:
    sources = [path.read_text() for path in (ROOT / "csms").rglob("*.py")]
    emitted = {found for text in sources for found in re.findall(rf'"({EVENT}\.[a-z_]+)"', text)}
    open_ended = {n for text in sources for n in re.findall(rf'f"({EVENT})\.\{{', text)}
    page = (ROOT / "docs/reference/events.md").read_text()
    documented = {
        name
        for row in page.splitlines()
        if row.startswith("| `")
        for name in re.findall(rf"`({EVENT}\.[a-z_]+)`", row.split("|")[1])
    }
    assert emitted - NO_EVENTS - documented == set()
    made_up = {name for name in documented - emitted if name.split(".")[0] not in open_ended}
    assert made_up == set()


def test_the_reference_names_every_field_of_a_report() -> None:
    tree = ast.parse((ROOT / "csms/commands/report/figures.py").read_text())
    makers = {"judge", "_limits", "_circuits", "_figures"}
    keys = {
        constant.value
        for maker in ast.walk(tree)
        if isinstance(maker, ast.FunctionDef) and maker.name in makers
        for node in ast.walk(maker)
        for constant in (node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", ()))
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    }
    assert {"requested", "sent", "over_limit_minutes", "energy_cost"} <= keys
    page = (ROOT / "docs/reference/report.md").read_text()
    assert [key for key in sorted(keys) if not re.search(rf"[`.]{key}[`.]", page)] == []


def test_commands_in_the_documents_exist_with_their_options() -> None:
    helps = dict(make_reference.command_helps())
    wrong: list[str] = []
    for path, line in shell_lines():
        for words in re.findall(r"(?:^|[ (/])heliofleet ([a-z-][^|;&>#)]*)", line):
            name, *rest = words.split()
            if name.startswith("--"):
                continue
            whole = name if name in helps else f"{name} {rest[0] if rest else ''}"
            options = [word.split("=")[0] for word in rest if word.startswith("-")]
            if whole not in helps or any(f"{each} " not in helps[whole] for each in options):
                wrong.append(f"{path.relative_to(ROOT)}: heliofleet {words}")
    assert wrong == []


def test_addresses_in_the_documents_exist() -> None:
    paths = rest_document()["paths"]
    patterns = {
        (method, re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path.removeprefix("/api/v1/"))))
        for path, operations in paths.items()
        for method in operations
    }
    wrong: list[str] = []
    for path, line in shell_lines():
        for method, address in re.findall(r"(?:^|[ (])(get|post) '?([a-z][^' )]*)", line):
            bare = address.split("?")[0]
            if not any(m == method and pattern.fullmatch(bare) for m, pattern in patterns):
                wrong.append(f"{path.relative_to(ROOT)}: {method} {address}")
    assert wrong == []
