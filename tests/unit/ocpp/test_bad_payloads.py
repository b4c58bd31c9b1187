"""Bad payloads: which error each class of fault gets, what is repaired and what is quarantined."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from csms.ocpp import frame
from csms.ocpp.table import Refusal, Understood
from csms.ocpp.versions import dialect_of
from models import answers, facts

NOW = datetime(2026, 6, 15, 12, 0, 30, tzinfo=UTC)
AT = "2026-06-15T12:00:00Z"
STATUS_16 = {"connectorId": 1, "status": "Available", "errorCode": "NoError", "timestamp": AT}
STATUS_2X = {"evseId": 1, "connectorId": 1, "connectorStatus": "Available", "timestamp": AT}
STOP = {"transactionId": 7, "meterStop": 5, "timestamp": AT}
EVENT: dict[str, Any] = {
    "eventType": "Updated",
    "timestamp": AT,
    "triggerReason": "MeterValuePeriodic",
    "seqNo": 5,
    "transactionInfo": {"transactionId": "T"},
}


def heard(subprotocol: str, action: str, payload: Any, *, strict: bool = False) -> Any:
    raw = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
    return dialect_of(subprotocol).hear(action, raw, "CP-1", NOW, strict=strict, accepted=True)


def code_of(subprotocol: str, action: str, payload: Any, *, strict: bool = False) -> str:
    refusal = heard(subprotocol, action, payload, strict=strict)
    assert isinstance(refusal, Refusal), refusal
    return frame.spelled(refusal.code, dialect_of(subprotocol).version)


FAULTS: list[tuple[str, dict[str, Any], dict[str, Any], tuple[str, str, str]]] = [
    (
        "a member is missing",
        {"status": None},
        {"connectorStatus": None},
        (
            "OccurenceConstraintViolation",
            "OccurenceConstraintViolation",
            "OccurrenceConstraintViolation",
        ),
    ),
    (
        "a member has the wrong type",
        {"connectorId": "1"},
        {"connectorId": "1"},
        ("TypeConstraintViolation",) * 3,
    ),
    (
        "a word is unknown",
        {"status": "Occupied"},
        {"connectorStatus": "Charging"},
        ("PropertyConstraintViolation",) * 3,
    ),
]


@pytest.mark.parametrize(
    ("on_16", "on_2x", "codes"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS]
)
def test_each_class_of_fault_gets_the_code_of_its_version(
    on_16: dict[str, Any], on_2x: dict[str, Any], codes: tuple[str, str, str]
) -> None:
    def changed(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in (base | change).items() if value is not None}

    assert code_of("ocpp1.6", "StatusNotification", changed(STATUS_16, on_16)) == codes[0]
    assert code_of("ocpp2.0.1", "StatusNotification", changed(STATUS_2X, on_2x)) == codes[1]
    assert code_of("ocpp2.1", "StatusNotification", changed(STATUS_2X, on_2x)) == codes[2]


@pytest.mark.parametrize(
    ("subprotocol", "code"),
    [
        ("ocpp1.6", "FormationViolation"),
        ("ocpp2.0.1", "FormatViolation"),
        ("ocpp2.1", "FormatViolation"),
    ],
)
@pytest.mark.parametrize(
    "payload",
    [
        b"[]",
        b'"text"',
        b"null",
        b"{",
        b'{"a":NaN}',
        b'{"idTag":"a\\u0000b","idToken":{"idToken":"a\\u0000b","type":"Central"}}',
        b'{"idTag":"\\ud800"}',
        b'{"idTag":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"idTag":"\xff"}',
    ],
)
def test_what_is_no_sound_object_violates_the_format(
    subprotocol: str, code: str, payload: bytes
) -> None:
    assert code_of(subprotocol, "Authorize", payload) == code
    assert code_of(subprotocol, "Authorize", payload, strict=True) == code


def test_a_text_over_its_length_and_a_number_out_of_range_are_bad_properties() -> None:
    assert code_of("ocpp1.6", "Authorize", {"idTag": "x" * 21}) == "PropertyConstraintViolation"
    assert code_of("ocpp2.1", "StatusNotification", STATUS_2X | {"evseId": -1}) == (
        "PropertyConstraintViolation"
    )
    boot = {"chargePointVendor": "V", "chargePointModel": "M" * 21}
    assert code_of("ocpp1.6", "BootNotification", boot) == "PropertyConstraintViolation"


def test_an_integer_beyond_64_bits_is_refused_before_a_database_sees_it() -> None:
    payload = STATUS_16 | {"connectorId": 2**70}
    assert code_of("ocpp1.6", "StatusNotification", payload) == "FormatViolation".replace(
        "Format", "Formation"
    )


def test_a_refusal_says_where_and_never_repeats_the_value() -> None:
    secret = "hunter2-" * 10
    refusal = heard("ocpp1.6", "Authorize", {"idTag": secret})
    assert "/idTag" in refusal.description
    assert "hunter2" not in refusal.description


@pytest.mark.parametrize("subprotocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
def test_unknown_members_are_let_through_and_recorded_unless_strict(subprotocol: str) -> None:
    base = STATUS_16 if subprotocol == "ocpp1.6" else STATUS_2X
    payload = base | {"vendorThing": {"deep": [1]}}
    understood = heard(subprotocol, "StatusNotification", payload)
    assert understood.fact.suspect == ("unknown-fields",)
    assert understood.fact.status == "Available"
    assert code_of(subprotocol, "StatusNotification", payload, strict=True) == (
        "FormationViolation" if subprotocol == "ocpp1.6" else "FormatViolation"
    )


def test_unknown_members_do_not_excuse_other_faults() -> None:
    payload = STATUS_16 | {"vendorThing": 1, "status": "Odd"}
    assert code_of("ocpp1.6", "StatusNotification", payload) == "PropertyConstraintViolation"


@pytest.mark.parametrize(
    ("text", "read", "doubts"),
    [
        (AT, AT, ()),
        ("2026-06-15T14:00:00+02:00", AT, ()),
        ("2026-06-15T12:00:00.123456789Z", "2026-06-15T12:00:00.123456Z", ()),
        ("2026-06-15T12:00:00", AT, ("time-without-zone",)),
        ("2026-06-15 12:00:00Z", AT, ("time-sloppy",)),
        ("2026-06-15t12:00:00z", AT, ("time-sloppy",)),
        ("2026-06-15T12:00Z", AT, ("time-sloppy",)),
        ("20260615T120000Z", AT, ("time-sloppy",)),
        ("1970-01-01T00:00:07Z", "1970-01-01T00:00:07Z", ("time-implausible",)),
        ("2100-01-01T00:00:00Z", "2100-01-01T00:00:00Z", ("time-implausible",)),
        ("yesterday", None, ("time-unreadable",)),
        ("", None, ("time-unreadable",)),
        ("2026-13-45T99:00:00Z", None, ("time-unreadable",)),
        ("0001-01-01T00:00:00+14:00", None, ("time-unreadable",)),
        ("9999-12-31T23:59:59-14:00", None, ("time-unreadable",)),
    ],
)
def test_odd_times_are_read_as_well_as_can_be_and_marked(
    text: str, read: str | None, doubts: tuple[str, ...]
) -> None:
    fact = heard("ocpp1.6", "StatusNotification", STATUS_16 | {"timestamp": text}).fact
    assert set(doubts) <= set(fact.suspect)
    assert (fact.suspect == ()) == (doubts == ())
    assert fact.measured_at == (NOW if read is None else datetime.fromisoformat(read))
    assert fact.measured_at.tzinfo is UTC


def test_strict_takes_times_in_rfc_3339_only() -> None:
    payload = STATUS_16 | {"timestamp": "yesterday"}
    assert code_of("ocpp1.6", "StatusNotification", payload, strict=True) == (
        "TypeConstraintViolation"
    )
    assert isinstance(heard("ocpp1.6", "StatusNotification", STATUS_16, strict=True), Understood)


PRECIOUS: list[tuple[str, str, Any]] = [
    ("ocpp1.6", "StopTransaction", {"transactionId": "abc", "meterStop": 5, "timestamp": AT}),
    ("ocpp1.6", "StopTransaction", {}),
    ("ocpp1.6", "StopTransaction", b'{"transactionId":7,"meterStop":NaN}'),
    ("ocpp1.6", "StopTransaction", STOP | {"meterStop": 2**70}),
    ("ocpp1.6", "MeterValues", {"connectorId": 1, "meterValue": "x"}),
    ("ocpp1.6", "MeterValues", b'{"connectorId":1,"meterValue":[{"timestamp":"\\u0000"}]}'),
    ("ocpp1.6", "MeterValues", b"[]"),
    ("ocpp2.0.1", "TransactionEvent", EVENT | {"eventType": "Paused"}),
    ("ocpp2.0.1", "MeterValues", {"evseId": 1, "meterValue": []}),
    ("ocpp2.1", "TransactionEvent", EVENT | {"seqNo": -1}),
    ("ocpp2.1", "TransactionEvent", b"{"),
]


@pytest.mark.parametrize(("subprotocol", "action", "payload"), PRECIOUS)
def test_what_a_station_would_throw_away_is_quarantined_raw_and_accepted(
    subprotocol: str, action: str, payload: Any
) -> None:
    raw = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
    understood = heard(subprotocol, action, raw)
    assert isinstance(understood, Understood)
    assert understood.kind == "quarantine"
    assert isinstance(understood.fact, facts.Quarantined)
    assert (understood.fact.action, understood.fact.raw) == (action, raw)
    assert understood.fact.reason
    assert dialect_of(subprotocol).answer(understood.fact, answers.EMPTY) == b"{}"
    assert dialect_of(subprotocol).validate_response(action, {}) == []
    assert isinstance(heard(subprotocol, action, raw, strict=True), Refusal)


def a_meter_value(*samples: dict[str, Any]) -> dict[str, Any]:
    return {"timestamp": AT, "sampledValue": list(samples)}


def test_one_odd_sample_does_not_cost_the_others() -> None:
    good, odd = {"value": "7", "unit": "kWh"}, {"value": "8", "unit": "furlongs"}
    payload = {
        "connectorId": 1,
        "meterValue": [a_meter_value(odd), a_meter_value(odd, good), a_meter_value(good)],
    }
    fact = heard("ocpp1.6", "MeterValues", payload).fact
    assert isinstance(fact, facts.ReadingsReported)
    assert fact.suspect == ("schema",)
    # Without its unit an odd sample counts as Wh, which it may not be: hence the mark.
    assert [reading.energy_wh for reading in fact.readings] == [8.0, 8.0, 7000.0]
    assert fact.readings[1].other == {"Energy.Active.Import.Register:kWh": 7.0}


def test_a_stop_ends_its_transaction_though_its_data_are_odd() -> None:
    payload = STOP | {"reason": "Boredom", "idTag": None, "transactionData": [{"timestamp": 5}]}
    fact = heard("ocpp1.6", "StopTransaction", payload).fact
    assert isinstance(fact, facts.TransactionReported)
    assert (fact.ocpp_transaction_id, fact.meter_wh, fact.readings) == ("7", 5.0, ())
    assert fact.suspect == ("schema",)


def test_an_event_keeps_what_is_sound() -> None:
    payload = EVENT | {
        "evse": None,
        "vendorThing": 1,
        "meterValue": [a_meter_value({"value": "7"}, {"value": 7.0})],
    }
    fact = heard("ocpp2.0.1", "TransactionEvent", payload).fact
    assert isinstance(fact, facts.TransactionReported)
    assert fact.evse_id is None
    assert [reading.energy_wh for reading in fact.readings] == [7.0]
    assert set(fact.suspect) == {"unknown-fields", "schema"}


def test_a_long_stop_with_thousands_of_odd_samples_is_repaired_in_one_go() -> None:
    samples = [a_meter_value({"value": str(n), "phase": "L9"}, {"value": "1"}) for n in range(4000)]
    fact = heard("ocpp1.6", "StopTransaction", STOP | {"transactionData": samples}).fact
    assert isinstance(fact, facts.TransactionReported)
    assert len(fact.readings) == 4000


def test_a_whole_number_written_as_a_fraction_is_an_integer_on_2x() -> None:
    raw = msgspec.json.encode(EVENT | {"seqNo": 5.0})
    assert b"5.0" in raw
    assert heard("ocpp2.0.1", "TransactionEvent", raw).fact.seq_no == 5


def test_custom_data_is_no_way_around_the_limits() -> None:
    poison = b'{"customData":{"vendorId":"V","x":%s}}'
    deep = b"[" * 40 + b"]" * 40
    for inner in (deep, b'"\\u0000"', b"99999999999999999999", b'"\\ud800"'):
        assert code_of("ocpp2.0.1", "Heartbeat", poison % inner) == "FormatViolation"
    assert isinstance(heard("ocpp2.0.1", "Heartbeat", poison % b'{"ok":1}'), Understood)


def test_data_of_a_data_transfer_is_no_way_around_the_limits_either() -> None:
    poison = b'{"vendorId":"V","data":%s}'
    for inner in (b"[" * 40 + b"]" * 40, b'{"a":"\\u0000"}', b"99999999999999999999"):
        assert code_of("ocpp2.1", "DataTransfer", poison % inner) == "FormatViolation"


@pytest.mark.parametrize(
    ("subprotocol", "payload"),
    [
        ("ocpp1.6", {"idTag": "a\x00b"}),
        ("ocpp2.0.1", {"idToken": {"idToken": "a\x00b", "type": "Central"}}),
    ],
)
def test_nul_in_an_otherwise_valid_payload_is_refused(
    subprotocol: str, payload: dict[str, Any]
) -> None:
    assert code_of(subprotocol, "Authorize", payload).startswith("Form")


def test_a_backslash_before_a_harmless_u0000_is_no_nul() -> None:
    fact = heard("ocpp1.6", "Authorize", {"idTag": "a\\u0000b"}).fact
    assert fact.id_token == "a\\u0000b"


def test_an_over_long_list_in_an_otherwise_valid_payload_is_quarantined() -> None:
    sample = b'{"value":"1"}'
    samples = b",".join([sample] * (frame.LIST_MAX + 1))
    head = b'{"connectorId":1,"meterValue":[{"timestamp":"2026-06-15T12:00:00Z","sampledValue":['
    understood = heard("ocpp1.6", "MeterValues", head + samples + b"]}]}")
    assert understood.kind == "quarantine"
    assert "longer than" in understood.fact.reason
