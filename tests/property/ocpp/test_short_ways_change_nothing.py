"""What is read by a short way is what the long way makes of it."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from csms.ocpp import frame, readings
from csms.ocpp.dialects import Dialect
from csms.ocpp.frame import Call
from csms.ocpp.hearing import Hearing
from csms.ocpp.readings import readings_2x, readings_16
from csms.ocpp.table import Understood
from csms.ocpp.versions import dialect_of
from csms.ocpp.wire import v16, v21, v201
from tests.builders.ocpp_payloads import mutants, request_schema, valid

NOW = datetime(2026, 6, 15, 12, 0, 30, tzinfo=UTC)
CASES = [
    (subprotocol, action)
    for subprotocol in ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
    for action in sorted(dialect_of(subprotocol).station_actions)
    # A stream's values come as a SEND, whose schema has a name of its own.
    if action != "NotifyPeriodicEventStream"
]
TEXTS = (
    "1",
    "-3.5",
    "1e3",
    " 7",
    "0.1",
    "230.10",
    "007",
    "+4",
    ".5",
    "1_0",
    "nan",
    "1,2",
    "",
    "1e13",
)
SPLINTERS = (
    *(bytes([each]) for each in b'"\\{}[],: 2-.e\n\x00\xff'),
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"1e400",
    b"99999999999999999999",
    b'"customData":{"vendorId":"x"},',
    b"9999-12-31T23:59:59-23:59",
)


def judged(dialect: Dialect, data: bytes) -> bool:
    """Compares both ways for one frame; returns whether the short one was taken."""
    both = dialect.hear_frame(data, "CP-1", NOW)
    if both is None:
        return False
    call, heard = both
    assert frame.read(data, dialect.version) == call
    long = dialect.hear(call.action, call.payload, "CP-1", NOW, strict=False, accepted=True)
    assert long == heard
    return True


@pytest.mark.parametrize(("subprotocol", "action"), CASES)
def test_a_call_means_the_same_in_one_pass(subprotocol: str, action: str) -> None:
    dialect = dialect_of(subprotocol)
    root = request_schema(dialect.version, action)
    document = valid(root, random.Random(5), fullness=0.5)
    payloads = [document, *(mutant for _, _, mutant in mutants(root, document))]
    for payload in payloads:
        judged(dialect, msgspec.json.encode((2, "19223201", action, payload)))
    # Names that end so may stand for free objects, which the long way looks through.
    plain = msgspec.json.encode((2, "7", action, valid(root, random.Random(5), fullness=0.0)))
    assert judged(dialect, plain) is (b'ata"' not in plain)


@pytest.mark.parametrize("subprotocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
def test_a_frame_that_was_damaged_is_refused_or_means_the_same(subprotocol: str) -> None:
    dice, dialect = random.Random(3), dialect_of(subprotocol)
    actions = [action for each, action in CASES if each == subprotocol]
    taken = 0
    for number in range(1500):
        action = dice.choice(actions)
        payload = valid(request_schema(dialect.version, action), dice, fullness=0.3)
        data = msgspec.json.encode((2, str(number), action, payload))
        for _ in range(dice.randint(1, 2)):
            place, splinter = dice.randrange(len(data)), dice.choice(SPLINTERS)
            data = data[:place] + splinter + data[place + dice.choice((0, len(splinter))) :]
        taken += judged(dialect, data)
    assert taken > 20


@pytest.mark.parametrize(
    "data",
    [
        b'[2,"1","Heartbeat",{}]',
        b'[2,"1","Heartbeat", {}]',
        b'[2, "1","Heartbeat",{}]',
        b'[2,"1","Heartbeat",{},{}]',
        b'[2,"1","Heartbeat",{}],{}]',
        b'[2,"1","Heartbeat",{}] ',
        b'[2,"1","Heartbeat",{}',
        b'[2,"1","Heartbeat",[{}]]',
        b'[2,"","Heartbeat",{}]',
        b'[2,"1\\"","Heartbeat",{}]',
        b'[2,"a\\","Heartbeat",{}]',
        b'[2,"\\u0031","Heartbeat",{}]',
        b'[2,"' + b"x" * 37 + b'","Heartbeat",{}]',
        b'[2,"\xff","Heartbeat",{}]',
        b'[2,"1","Heartbeat",{"customData":{"vendorId":"x"}}]',
        b'[2,"1","Nonsense",{}]',
        b'[3,"1",{}]',
        b"",
    ],
)
def test_a_frame_is_never_taken_for_another(data: bytes) -> None:
    for subprotocol in ("ocpp1.6", "ocpp2.0.1", "ocpp2.1"):
        taken = judged(dialect_of(subprotocol), data)
        assert not taken or isinstance(frame.read(data, dialect_of(subprotocol).version), Call)


def test_a_plain_call_takes_the_short_way() -> None:
    heard = dialect_of("ocpp1.6").hear_frame(b'[2,"7","Heartbeat",{}]', "CP-1", NOW)
    assert heard is not None
    assert heard[0] == Call("7", "Heartbeat", b"{}")
    assert isinstance(heard[1], Understood)


def sample_of(dice: random.Random, *, texts: bool) -> dict[str, Any]:
    measurand, units, phases = dice.choice(
        [
            ("Energy.Active.Import.Register", ("Wh", "kWh"), ("L1",)),
            ("Power.Active.Import", ("W", "kW"), ("L1", "L2")),
            ("SoC", ("Percent",), ()),
            ("Current.Import", ("A",), ("L1", "L2", "L3", "N")),
            ("Voltage", ("V",), ("L1-N", "L2", "L1-L2")),
            ("Frequency", ("Hz",), ()) if not texts else ("Frequency", ("Hertz",), ()),
        ]
    )
    sample: dict[str, Any] = {"value": dice.choice(TEXTS) if texts else dice.uniform(-1, 2e12)}
    chances: list[tuple[str, Any]] = [
        ("measurand", measurand),
        ("unit", dice.choice(units)),
        ("phase", dice.choice([*phases, None])),
        ("context", dice.choice(["Sample.Periodic", "Sample.Periodic", "Trigger"])),
        ("location", dice.choice(["Outlet", "Outlet", "EV", "Inlet"])),
    ]
    sample |= {name: value for name, value in chances if value is not None and dice.random() < 0.8}
    if not texts and (unit := sample.pop("unit", None)) is not None:
        more = {"multiplier": dice.choice([0, 3])} if dice.random() < 0.2 else {}
        sample["unitOfMeasure"] = {"unit": unit} | more
    return sample


@pytest.mark.parametrize(
    "kind", [v16.MeterValuesMeterValue, v201.MeterValueType, v21.MeterValueType]
)
def test_readings_are_the_same_gathered_one_by_one(
    kind: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(11)
    texts = kind is v16.MeterValuesMeterValue
    read = readings_16 if texts else readings_2x
    values: list[Any] = [
        msgspec.convert(
            {
                "timestamp": "2026-06-15T12:00:00Z",
                "sampledValue": [sample_of(dice, texts=texts) for _ in range(dice.randint(1, 4))],
            },
            kind,
        )
        for _ in range(1500)
    ]

    def all_read() -> list[Any]:
        found: list[Any] = []
        for value in values:
            hearing = Hearing("CP-1", NOW, b"")
            found.append((repr(read([value], hearing)), hearing.suspect))
        return found

    way = readings._plain_16 if texts else readings._plain_2x
    assert sum(way(value.sampled_value) is not None for value in values) > 50
    short = all_read()
    for name in ("_plain_16", "_plain_2x"):
        monkeypatch.setattr(readings, name, lambda _samples: None)
    assert all_read() == short
