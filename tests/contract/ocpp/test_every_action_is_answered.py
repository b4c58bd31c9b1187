"""Every action of every version, in both directions, against the schemas of the `ocpp` package."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from csms.ocpp.dialects import Dialect
from csms.ocpp.table import Heard, Refusal, Understood
from csms.ocpp.versions import DIALECTS, dialect_of
from csms.ocpp.wire import v16, v21, v201
from models import answers, facts
from models.commands.event_streams import ReadStreams
from models.companies import Company
from models.facts import event_streams, needs, trust
from models.facts.payments import SettlementReported, VatNumberPresented
from models.facts.priorities import SchedulePulled
from models.schedules import ScheduleUpdate
from tests.builders.ocpp_payloads import request_schema, schema_names, valid, wire_name

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
SEND = "NotifyPeriodicEventStream"
"""The one message that wants no answer (2.1)."""
WIRE = {"1.6": v16, "2.0.1": v201, "2.1": v21}
UNDER_TEST = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.subprotocol)
COUNTS = {"1.6": (13, 25, 1), "2.0.1": (24, 39, 1), "2.1": (36, 54, 1)}
"""Station-made (with the one SEND), made by us, both: counted in the specifications."""


def actions_of(version: str) -> set[str]:
    names = {wire_name(stem) for stem in schema_names(version)}
    return {name.removesuffix("Request") for name in names if name.endswith("Request")}


def hear(dialect: Dialect, action: str, payload: Any, **options: Any) -> Understood | Refusal:
    flags = {"strict": False, "accepted": True} | options
    return dialect.hear(action, msgspec.json.encode(payload), "CP-1", NOW, **flags)


def answer_to(fact: facts.Fact) -> answers.Answer:  # noqa: PLR0911 - one for each
    match fact:
        case facts.BootReported():
            return answers.BootAnswer("Accepted", 300, NOW)
        case facts.HeartbeatReported():
            return answers.HeartbeatAnswer(NOW)
        case facts.TokenPresented():
            return answers.TokenAnswer("ConcurrentTx", NOW, "GROUP", "ISO14443")
        case facts.TransactionReported():
            return answers.TransactionAnswer(7, "Blocked", NOW, "GROUP")
        case facts.DataReceived():
            return answers.DataAnswer("UnknownVendorId", '"data"')
        case facts.CertificateRequested():
            return answers.SigningAnswer(accepted=True)
        case SettlementReported():
            return answers.SettlementAnswer("R-1")
        case VatNumberPresented():
            company = Company(name="Acme", address1="Ring 1", city="Wien", country="AT")
            return answers.VatAnswer(accepted=True, company=company)
        case SchedulePulled():
            return answers.ScheduleAnswer(ScheduleUpdate(limit=1.5, discharge_limit_l2=-2.0))
        case trust.CertificateStatusAsked() | trust.CertificateChainAsked() | trust.ContractAsked():
            return answers.VerdictAnswer(accepted=True)
        case event_streams.StreamOpened():
            return answers.VerdictAnswer(accepted=True)
        case needs.NeedsReported() | needs.CarScheduleReported():
            return answers.VerdictAnswer(accepted=True, later=True)
        case _:
            return answers.EMPTY


@UNDER_TEST
def test_each_action_of_the_schemas_has_exactly_one_line(dialect: Dialect) -> None:
    lines = [line.action for line in dialect.coverage()]
    assert sorted(lines) == sorted(set(lines))
    assert set(lines) == actions_of(dialect.version)


@UNDER_TEST
def test_directions_add_up_as_in_the_specification(dialect: Dialect) -> None:
    counted = [line.initiator for line in dialect.coverage()]
    found = tuple(counted.count(who) for who in ("station", "csms", "both"))
    assert found == COUNTS[dialect.version]


@UNDER_TEST
def test_actions_of_the_other_side_and_of_nobody_are_not_implemented(dialect: Dialect) -> None:
    for action in ("Nonsense", "", "bootnotification", "Reset", "UnlockConnector"):
        heard = hear(dialect, action, {})
        assert isinstance(heard, Refusal)
        assert heard.code == "NotImplemented"


@UNDER_TEST
@pytest.mark.parametrize("fullness", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("strict", [False, True])
def test_any_valid_request_is_understood_and_answered_by_the_schema(
    dialect: Dialect, fullness: float, strict: bool
) -> None:
    supported = [line for line in dialect.coverage() if line.initiator != "csms"]
    assert len(supported) > 10
    for line in supported:
        root = request_schema(dialect.version, line.action)
        for seed in range(5):
            payload = valid(root, random.Random(seed), fullness=fullness)
            heard = hear(dialect, line.action, payload, strict=strict)
            assert isinstance(heard, Understood), (line.action, heard, payload)
            assert heard.kind != "quarantine"
            assert heard.fact.station == "CP-1"
            assert heard.fact.received_at == NOW
            # Random texts are no numbers, and random units are none.
            assert set(heard.fact.suspect) <= {"value-unreadable"}
            if line.action != SEND:
                response = dialect.answer(heard.fact, answer_to(heard.fact))
                document = msgspec.json.decode(response)
                assert dialect.validate_response(line.action, document) == [], line.action


@UNDER_TEST
def test_heartbeats_alone_are_answered_from_memory(dialect: Dialect) -> None:
    root = request_schema(dialect.version, "BootNotification")
    boot = hear(dialect, "BootNotification", valid(root, random.Random(1), fullness=1))
    beat = hear(dialect, "Heartbeat", {})
    assert isinstance(boot, Understood)
    assert isinstance(beat, Understood)
    assert (boot.kind, beat.kind) == ("fact", "heartbeat")


@UNDER_TEST
def test_only_boot_is_heard_before_acceptance_on_2x(dialect: Dialect) -> None:
    for action in [*sorted(dialect.station_actions), "Nonsense"]:
        heard = hear(dialect, action, {}, accepted=False)
        barred = isinstance(heard, Refusal) and heard.code == "SecurityError"
        assert barred == (dialect.version != "1.6" and action != "BootNotification"), action


@UNDER_TEST
def test_every_request_of_ours_can_be_checked_before_it_is_sent(dialect: Dialect) -> None:
    for action in sorted(dialect.csms_actions):
        root = request_schema(dialect.version, action)
        payload = valid(root, random.Random(4), fullness=1.0)
        wrong = dialect.validate_request(action, payload)
        # Random tenths are no multiples of 0.1 in doubles, as one may find.
        assert all("multiple" in error.detail for error in wrong), (action, wrong)
        worse = dialect.validate_request(action, payload | {"somethingElse": 1})
        assert "/somethingElse" in {error.field for error in worse}


@UNDER_TEST
def test_rows_map_the_structs_that_their_dialect_decodes(dialect: Dialect) -> None:
    for block in dialect.blocks:
        for row in block.heard:
            assert isinstance(row, Heard)
            hints = get_type_hints(row.fact)
            first = next(iter(hints.values()))
            accepted = get_args(first) or (first,)
            assert WIRE[dialect.version].REQUESTS[row.action] in accepted, row.action


def test_each_subprotocol_has_its_dialect() -> None:
    assert dialect_of("ocpp2.0.1").version == "2.0.1"
    with pytest.raises(KeyError):
        dialect_of("ocpp2.0")


@pytest.mark.parametrize(("base", "offset_s"), [("9999-12-31T23:59:59Z", 10), ("0001-01-01", -10)])
def test_times_at_the_ends_of_the_calendar_are_heard(base: str, offset_s: int) -> None:
    told = {"id": 1, "pending": 0, "basetime": base, "data": [{"t": offset_s, "v": "1"}]}
    heard = hear(dialect_of("ocpp2.1"), "NotifyPeriodicEventStream", told)
    assert isinstance(heard, Understood)


def test_an_answer_with_whole_numbers_that_have_a_point_is_read() -> None:
    monitor = {"id": 1.0, "variableMonitoringId": 2.0, "params": {"interval": 5.0}}
    answer = msgspec.json.encode({"constantStreamData": [monitor]})
    read = dialect_of("ocpp2.1").outcome(ReadStreams(), answer)
    assert read.status == "accepted"
    assert read.tells is not None


def test_what_no_schema_forbids_and_nobody_can_read_is_an_unknown_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dialect = dialect_of("ocpp2.1")

    def broken(_command: object, _response: object) -> None:
        raise OverflowError("date value out of range")

    row = dialect._said[ReadStreams]
    monkeypatch.setitem(dialect._said, ReadStreams, replace(row, outcome=broken))
    read = dialect.outcome(ReadStreams(), b"{}")
    assert (read.status, read.detail) == ("unknown", "can't be read: date value out of range")
