"""The door's small decisions, each by itself: names, passwords, versions, rates, redaction."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms.gateway.login import choose_subprotocol, identity_of, password_of
from csms.gateway.memory import basic
from csms.gateway.records import StationRecord
from csms.gateway.redaction import MASK, redact
from csms.gateway.throttle import MOST_BUCKETS, Throttle, network_of

RECORD = StationRecord(
    identity="CP-1",
    tenant_id="default",
    approval="accepted",
    security_profile=1,
    password_hash="x",
    changing=False,
    next_password_hash=None,
    ocpp_versions=None,
    strict=False,
    quirks=frozenset(),
    boot_interval_s=300,
    booted=False,
    online=False,
    epoch=0,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


class HandClock:
    """Wire time that stands where it is put."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.mark.parametrize(
    ("target", "identity"),
    [
        ("/ocpp/CP-1", "CP-1"),
        ("/CP-1", "CP-1"),
        ("/a/b/CP%201?token=x#y", "CP 1"),
        ("/ocpp/a%2Fb", "a/b"),
        ("/ocpp/", None),
        ("/", None),
        ("", None),
        ("/ocpp/%ff", None),
        ("/ocpp/%0a", None),
        ("/ocpp/" + "x" * 48, "x" * 48),
        ("/ocpp/" + "x" * 49, None),
    ],
)
def test_an_identity_is_the_last_segment_or_none(target: str, identity: str | None) -> None:
    assert identity_of(target) == identity


@given(identity=st.text(min_size=1, max_size=48), password=st.text(max_size=40))
def test_every_identity_and_password_survive_the_header(identity: str, password: str) -> None:
    assert password_of(basic(identity, password), identity) == password.encode()


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic ???",
        "Bearer " + base64.b64encode(b"CP-1:x").decode(),
        "Basic " + base64.b64encode(b"CP-2:x").decode(),
        "Basic " + base64.b64encode(b"CP-1").decode(),
        "Basic " + base64.b64encode(b"cp-1:x").decode(),
    ],
)
def test_no_password_comes_from_a_header_that_names_another_user_or_nothing(
    header: str | None,
) -> None:
    assert password_of(header, "CP-1") is None


def test_the_no_subprotocol_tolerance_is_for_strangers_and_by_quirk_only() -> None:
    assert choose_subprotocol(RECORD, ()) == (None, False)
    assert choose_subprotocol(replace(RECORD, approval="pending"), ()) == ("ocpp1.6", False)
    quirky = replace(RECORD, quirks=frozenset({"no-subprotocol"}))
    assert choose_subprotocol(quirky, ("soap",)) == ("ocpp1.6", False)
    only_2x = replace(quirky, ocpp_versions=("ocpp2.0.1",))
    assert choose_subprotocol(only_2x, ("ocpp1.6",)) == (None, False)


def test_a_throttle_gives_its_burst_then_its_rate_to_each_key() -> None:
    wire = HandClock()
    throttle = Throttle(wire, burst=3, per_minute=6)
    assert [throttle.allows("a") for _ in range(5)] == [True, True, True, False, False]
    assert throttle.allows("b")
    wire.now_s += 10
    assert [throttle.allows("a") for _ in range(2)] == [True, False]
    wire.now_s += 3600
    assert [throttle.allows("a") for _ in range(4)] == [True, True, True, False]


def test_a_throttle_forgets_the_idlest_key_rather_than_grow() -> None:
    throttle = Throttle(HandClock(), burst=1, per_minute=0)
    assert throttle.allows("first")
    for n in range(MOST_BUCKETS):
        throttle.allows(str(n))
    assert len(throttle._buckets) == MOST_BUCKETS
    assert throttle.allows("first")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("memory", "memory"),
    ],
)
def test_attackers_are_counted_by_network(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("action", "payload", "hidden"),
    [
        ("ChangeConfiguration", {"key": "AuthorizationKey", "value": "S3CRET"}, True),
        ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "S3CRET"}, False),
        (
            "SetVariables",
            {
                "setVariableData": [
                    {
                        "attributeValue": "S3CRET",
                        "component": {"name": "SecurityCtrlr"},
                        "variable": {"name": "BasicAuthPassword"},
                    }
                ]
            },
            True,
        ),
        (
            "SetNetworkProfile",
            {"configurationSlot": 1, "connectionData": {"apn": {"apnPassword": "S3CRET"}}},
            True,
        ),
        ("GetLog", {"log": {"remoteLocation": "ftps://user:S3CRET@host/x"}}, True),
        (
            "GetConfiguration",
            {"configurationKey": [{"key": "authorizationkey", "value": "S3CRET"}]},
            True,
        ),
        ("DataTransfer", {"vendorId": "x", "data": "S3CRET"}, False),
    ],
)
def test_secrets_are_taken_out_and_all_else_is_kept(
    action: str, payload: object, hidden: bool
) -> None:
    raw = msgspec.json.encode(payload)
    redacted = redact(action, raw)
    if hidden:
        assert b"S3CRET" not in redacted
        assert redacted.replace(MASK.encode(), b"S3CRET").replace(
            b"//S3CRET", b"//user:S3CRET"
        ) in (
            raw,
            raw.replace(b"user:S3CRET", b"S3CRET"),
        )
    else:
        assert redacted == raw


@pytest.mark.parametrize("login", ["user:p@S3CRET", "S3CRET", "user:S3CRET@"])
def test_no_part_of_a_login_in_an_address_is_kept(login: str) -> None:
    payload = msgspec.json.encode({"location": f"ftp://{login}@host/x@1.bin"})
    assert redact("UpdateFirmware", payload) == b'{"location":"ftp://%s@host/x@1.bin"}' % (
        MASK.encode()
    )


def test_what_is_no_json_is_left_alone() -> None:
    assert redact("SetVariables", b"{broken") == b"{broken"
