"""What wishes for logs and monitors become in each version, and what the responses mean."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from csms.ocpp.versions import dialect_of
from models import commands, facts
from models.commands import monitors, upkeep
from models.commands.base import VariableName
from models.errors import BadInput

ON_2X = pytest.mark.parametrize("subprotocol", ["ocpp2.0.1", "ocpp2.1"])
LOG: dict[str, Any] = {
    "request_id": 5,
    "location": "https://example.org/uploads/T",
    "from_at": datetime(2026, 6, 14, tzinfo=UTC),
    "until_at": datetime(2026, 6, 15, tzinfo=UTC),
    "retries": 3,
    "retry_interval_s": 60,
}


def said(subprotocol: str, command: commands.AnyCommand) -> tuple[str, Any]:
    action, payload = dialect_of(subprotocol).say(command)
    return action, msgspec.json.decode(payload)


def outcome(subprotocol: str, command: commands.AnyCommand, answer: Any) -> tuple[str, str]:
    told = dialect_of(subprotocol).outcome(command, msgspec.json.encode(answer))
    return told.status, told.detail


def test_16_has_diagnostics_of_its_own() -> None:
    command = upkeep.UploadLog(kind="diagnostics", **LOG)
    assert said("ocpp1.6", command) == (
        "GetDiagnostics",
        {
            "location": "https://example.org/uploads/T",
            "retries": 3,
            "retryInterval": 60,
            "startTime": "2026-06-14T00:00:00Z",
            "stopTime": "2026-06-15T00:00:00Z",
        },
    )
    assert outcome("ocpp1.6", command, {"fileName": "x.log"}) == ("accepted", "")
    nothing = ("rejected", "the station has nothing of the kind")
    assert outcome("ocpp1.6", command, {}) == nothing


@pytest.mark.parametrize(
    ("subprotocol", "kind", "log_type"),
    [
        ("ocpp1.6", "security", "SecurityLog"),
        ("ocpp2.0.1", "security", "SecurityLog"),
        ("ocpp2.0.1", "diagnostics", "DiagnosticsLog"),
        ("ocpp2.1", "diagnostics", "DiagnosticsLog"),
    ],
)
def test_others_are_asked_by_number(subprotocol: str, kind: upkeep.LogKind, log_type: str) -> None:
    command = upkeep.UploadLog(kind=kind, **LOG)
    assert said(subprotocol, command) == (
        "GetLog",
        {
            "log": {
                "remoteLocation": "https://example.org/uploads/T",
                "oldestTimestamp": "2026-06-14T00:00:00Z",
                "latestTimestamp": "2026-06-15T00:00:00Z",
            },
            "logType": log_type,
            "requestId": 5,
            "retries": 3,
            "retryInterval": 60,
        },
    )
    accepted = {"status": "AcceptedCanceled", "filename": "x"}
    assert outcome(subprotocol, command, accepted)[0] == "accepted"
    assert outcome(subprotocol, command, {"status": "Rejected"}) == ("rejected", "Rejected")


POWER = VariableName(name="Power", component="EVSE", evse_id=1)
WISH = monitors.MonitorWish(variable=POWER, kind="Delta", value=5.0, severity=3)


def a_result(status: str, **more: Any) -> dict[str, Any]:
    return {
        "status": status,
        "type": "Delta",
        "severity": 3,
        "component": {"name": "EVSE", "evse": {"id": 1}},
        "variable": {"name": "Power"},
        **more,
    }


def news(subprotocol: str, command: commands.AnyCommand, answer: Any) -> Any:
    told = dialect_of(subprotocol).outcome(command, msgspec.json.encode(answer))
    return told.status, told.monitors


@ON_2X
def test_2x_is_told_what_to_watch_and_says_by_which_number(subprotocol: str) -> None:
    other = msgspec.structs.replace(WISH, severity=4, transaction=True, monitor_id=9)
    command = monitors.SetMonitors(monitors=(WISH, other))
    action, payload = said(subprotocol, command)
    assert action == "SetVariableMonitoring"
    place = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}
    first = {"type": "Delta", "value": 5.0, "severity": 3, "transaction": False, **place}
    assert payload["setMonitoringData"] == [
        first,
        first | {"id": 9, "severity": 4, "transaction": True},
    ]
    # The results may come in another order.
    results = [a_result("Accepted", severity=4, id=9), a_result("Accepted", id=3)]
    status, told = news(subprotocol, command, {"setMonitoringResult": results})
    assert status == "accepted"
    found = [(each.monitor_id, each.severity, each.transaction) for each in told.monitors]
    assert found == [(9, 4, True), (3, 3, False)]
    refused = [a_result("Duplicate"), a_result("Accepted", severity=4, id=9)]
    status, told = news(subprotocol, command, {"setMonitoringResult": refused})
    assert (status, [each.monitor_id for each in told.monitors]) == ("rejected", [9])


@ON_2X
def test_2x_is_told_what_to_watch_no_longer(subprotocol: str) -> None:
    command = monitors.ClearMonitors(monitor_ids=(3, 4, 5))
    assert said(subprotocol, command) == ("ClearVariableMonitoring", {"id": [3, 4, 5]})
    statuses = ("Accepted", "NotFound", "Rejected")
    results = [{"id": n, "status": each} for n, each in enumerate(statuses, 3)]
    status, told = news(subprotocol, command, {"clearMonitoringResult": results})
    assert (status, told) == ("rejected", facts.MonitorNews(gone=(3, 4)))


@ON_2X
def test_2x_is_asked_what_it_watches(subprotocol: str) -> None:
    command = monitors.ReadMonitors(request_id=7)
    assert said(subprotocol, command) == ("GetMonitoringReport", {"requestId": 7})
    assert news(subprotocol, command, {"status": "Accepted"}) == ("accepted", None)
    nothing = facts.MonitorNews(request_id=7)
    assert news(subprotocol, command, {"status": "EmptyResultSet"}) == ("accepted", nothing)
    base = monitors.SetMonitoringBase(base="HardWiredOnly")
    assert said(subprotocol, base) == ("SetMonitoringBase", {"monitoringBase": "HardWiredOnly"})
    level = monitors.SetMonitoringLevel(severity=4)
    assert said(subprotocol, level) == ("SetMonitoringLevel", {"severity": 4})


def test_16_can_not_say_any_of_it() -> None:
    for command in (
        monitors.SetMonitors(monitors=(WISH,)),
        monitors.ClearMonitors(monitor_ids=(1,)),
        monitors.ReadMonitors(request_id=1),
    ):
        with pytest.raises(BadInput):
            said("ocpp1.6", command)
