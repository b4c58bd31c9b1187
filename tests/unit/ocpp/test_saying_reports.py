"""How a station is asked for reports, and what its answers mean."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from csms.ocpp.versions import dialect_of
from models.commands import AnyCommand
from models.commands.customers import AskCustomer
from models.commands.displays import ClearMessage, ReadMessages, ShowMessage
from models.commands.held_limits import ReadHeldLimits
from models.commands.publishing import PublishFirmware, UnpublishFirmware
from models.commands.reports import ReadReport, ReportPlace
from models.commands.transactions import CheckTransaction
from models.errors import BadInput
from models.facts.displays import DisplayMessage
from models.facts.held_limits import HeldPeriod

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
ON_2X = pytest.mark.parametrize("subprotocol", ["ocpp2.0.1", "ocpp2.1"])
MESSAGE = DisplayMessage(message_id=7, priority="InFront", format="UTF8", content="Hi")


def said(subprotocol: str, command: AnyCommand) -> tuple[str, Any]:
    action, payload = dialect_of(subprotocol).say(command)
    return action, msgspec.json.decode(payload)


def told(subprotocol: str, command: AnyCommand, response: Any) -> tuple[str, Any]:
    """Returns what an answer means, and the fact that it tells."""
    outcome = dialect_of(subprotocol).outcome(command, msgspec.json.encode(response))
    return outcome.status, outcome.tells and outcome.tells("CP-1", NOW)


@ON_2X
def test_a_message_is_said_with_what_is_given_only(subprotocol: str) -> None:
    message = {"format": "UTF8", "content": "Hi"}
    assert said(subprotocol, ShowMessage(message=MESSAGE)) == (
        "SetDisplayMessage",
        {"message": {"id": 7, "priority": "InFront", "message": message}},
    )
    code = msgspec.structs.replace(MESSAGE, format="QRCODE")
    if subprotocol == "ocpp2.1":
        assert said(subprotocol, ShowMessage(message=code))[0] == "SetDisplayMessage"
    else:
        with pytest.raises(BadInput):
            said(subprotocol, ShowMessage(message=code))


@ON_2X
@pytest.mark.parametrize(
    ("status", "outcome", "accepted"),
    [
        ("Accepted", "accepted", True),
        ("NotSupportedPriority", "rejected", False),
        ("UnknownTransaction", "rejected", False),
    ],
)
def test_each_reason_against_a_message_is_a_no(
    subprotocol: str, status: str, outcome: str, accepted: bool
) -> None:
    meaning, fact = told(subprotocol, ShowMessage(message=MESSAGE), {"status": status})
    assert (meaning, fact.accepted, fact.detail) == (outcome, accepted, status)


@ON_2X
@pytest.mark.parametrize(
    ("command", "status", "outcome", "answer"),
    [
        (ReadMessages(request_id=5), "Accepted", "accepted", "accepted"),
        (ReadMessages(request_id=5), "Unknown", "accepted", "empty"),
        (ReadHeldLimits(request_id=5), "NoProfiles", "accepted", "empty"),
        (ReadReport(request_id=5, criteria=("Active",)), "EmptyResultSet", "accepted", "empty"),
        (ReadReport(request_id=5, criteria=("Active",)), "Rejected", "rejected", "rejected"),
        (
            ReadReport(request_id=5, criteria=("Active",)),
            "NotSupported",
            "not-supported",
            "not-supported",
        ),
        (AskCustomer(request_id=5, report=True, clear=False), "Invalid", "rejected", "rejected"),
        (AskCustomer(request_id=5, report=False, clear=True), "Accepted", "accepted", "done"),
    ],
)
def test_whether_a_report_follows(
    subprotocol: str, command: Any, status: str, outcome: str, answer: str
) -> None:
    meaning, fact = told(subprotocol, command, {"status": status})
    assert (meaning, fact.answer, fact.request_id) == (outcome, answer, 5)


@ON_2X
def test_the_places_of_a_report_are_components_with_their_variables(subprotocol: str) -> None:
    places = (
        ReportPlace(component="EVSE", evse_id=1, variable="Power", instance="max"),
        ReportPlace(component="AuthCtrlr"),
    )
    _, payload = said(subprotocol, ReadReport(request_id=5, places=places))
    assert payload["componentVariable"] == [
        {
            "component": {"name": "EVSE", "evse": {"id": 1}},
            "variable": {"name": "Power", "instance": "max"},
        },
        {"component": {"name": "AuthCtrlr"}},
    ]


@ON_2X
def test_a_checked_transaction(subprotocol: str) -> None:
    command = CheckTransaction(ocpp_transaction_id="T")
    assert said(subprotocol, command) == ("GetTransactionStatus", {"transactionId": "T"})
    answer = {"messagesInQueue": True, "ongoingIndicator": False}
    _, fact = told(subprotocol, command, answer)
    assert (fact.ongoing, fact.in_queue) == (False, True)
    _, fact = told(subprotocol, command, {"messagesInQueue": False})
    assert (fact.ongoing, fact.in_queue) == (None, False)
    assert told(subprotocol, command, {"ongoingIndicator": True}) == ("unknown", None)


@ON_2X
def test_what_is_not_there_is_cleared_and_unpublished(subprotocol: str) -> None:
    meaning, fact = told(subprotocol, ClearMessage(message_id=7), {"status": "Unknown"})
    assert (meaning, fact.accepted) == ("accepted", True)
    order = UnpublishFirmware(checksum="a" * 32)
    assert told(subprotocol, order, {"status": "NoFirmware"})[0] == "accepted"
    assert told(subprotocol, order, {"status": "DownloadOngoing"}) == ("rejected", None)
    publish = PublishFirmware(request_id=1, location="http://a/b", checksum="a" * 32)
    _, fact = told(subprotocol, publish, {"status": "Rejected"})
    assert (fact.accepted, fact.detail) == (False, "Rejected")


def test_16_has_no_words_for_it() -> None:
    with pytest.raises(BadInput):
        said("ocpp1.6", ReadMessages(request_id=1))


@ON_2X
def test_amperes_from_elsewhere_are_watts(subprotocol: str) -> None:
    schedule = {
        "id": 1,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.0, "numberPhases": 1}],
    }
    payload = {"chargingLimit": {"chargingLimitSource": "EMS"}, "chargingSchedule": [schedule]}
    understood: Any = dialect_of(subprotocol).hear(
        "NotifyChargingLimit",
        msgspec.json.encode(payload),
        "CP-1",
        NOW,
        strict=True,
        accepted=True,
    )
    (told,) = understood.fact.schedules
    assert told.periods == (HeldPeriod(start_s=0, limit_w=2300.0, phases=1),)
    assert (understood.fact.evse_id, understood.fact.grid_critical) == (0, None)
