"""`--json`: stdout is one JSON document and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from csms.commands.report.figures import write_json
from csms.commands.report.page import show_report
from csms.ledger import migrate
from tests.builders.command_line import outcome


def told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> Any:
    code, said, complaint = outcome(monkeypatch, capsys, *arguments, "--json")
    assert (code, complaint) == (0, "")
    return msgspec.json.decode(said)


def test_the_database_and_its_keys_tell_programs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("HELIOFLEET_DATABASE_URL", f"sqlite:///{tmp_path / 'fleet.db'}")
    head = migrate.head()
    assert told(monkeypatch, capsys, "db", "upgrade") == {"before": None, "after": head}
    assert told(monkeypatch, capsys, "db", "upgrade") == {"before": head, "after": head}
    assert told(monkeypatch, capsys, "db", "check") == {"schema": head}
    made = told(monkeypatch, capsys, "api-key", "create", "--role", "viewer", "--name", "wall")
    assert set(made) == {"id", "role", "name", "key"}
    assert (made["role"], made["name"], made["key"][:3]) == ("viewer", "wall", "hf_")


def test_a_report_is_the_bytes_of_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    report = {"policies": {}, "days": 2}
    show_report(report, as_json=True)
    assert capsys.readouterr().out.encode() == write_json(report)
