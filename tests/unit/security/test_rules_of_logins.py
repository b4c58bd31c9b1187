"""What may be signed, how certificates stand, and which steps lead to a new login."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from csms.certificates import SigningRequest
from csms.security.rules import (
    CertificateState,
    refusal_of,
    status_of,
    step_after,
    steps_to_profile,
    verdict_on,
    verdict_on_login,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HELD = CertificateState(
    id="1",
    tenant_id="default",
    station="CP-1",
    state="installed",
    created_at=NOW,
    updated_at=NOW,
    not_after=NOW + timedelta(days=1),
)


def refusal(name: str | None, organisation: str | None = "Op", **options: Any) -> str | None:
    given = {"identity": "CP-1", "serial_number": "SN-1", "name_taken": False}
    request = SigningRequest(name, organisation, "")
    return refusal_of(request, operator_name="Op", **given | options)


def test_a_request_names_its_station_and_the_operator() -> None:
    assert refusal("CP-1") is None
    assert refusal("SN-1") is None
    assert "CP-2" in (refusal("CP-2") or "")
    assert "CN" in (refusal(None) or "")
    assert "allowed is Op" in (refusal("CP-1", "Acme") or "")


def test_a_serial_number_that_is_another_stations_identity_is_no_name() -> None:
    assert refusal("SN-1", name_taken=True) is not None
    assert refusal("CP-1", name_taken=True) is None


def test_revoked_goes_before_expired_before_used() -> None:
    assert status_of(HELD, NOW) == "installed"
    used = msgspec.structs.replace(HELD, used_at=NOW)
    assert status_of(used, NOW) == "in-use"
    assert status_of(used, NOW + timedelta(days=1)) == "expired"
    revoked = msgspec.structs.replace(used, revoked_at=NOW)
    assert status_of(revoked, NOW + timedelta(days=1)) == "revoked"


def test_the_steps_are_those_that_are_needed() -> None:
    assert steps_to_profile(2, is_16=True, root_given=False, certified=False) == (
        "profile",
        "login",
    )
    whole = steps_to_profile(3, is_16=False, root_given=True, certified=False)
    assert whole == (
        "root",
        "organisation",
        "certificate",
        "network",
        "priority",
        "restart",
        "login",
    )
    walked = ["root"]
    while step_after(list(whole), walked[-1]) != walked[-1]:
        walked.append(step_after(list(whole), walked[-1]))
    assert tuple(walked) == whole


@pytest.mark.parametrize(
    ("step", "outcome", "verdict"),
    [
        ("password", "accepted", "next"),
        ("password", "rejected", "fail"),
        ("password", None, "next"),
        ("password", "unknown", "next"),
        ("organisation", "not-supported", "next"),
        ("certificate", "accepted", "stay"),
        ("certificate", "not-supported", "fail"),
        ("network", None, "fail"),
        ("priority", "scheduled", "next"),
        ("restart", None, "next"),
    ],
)
def test_silence_is_no_refusal_where_the_login_may_have_changed(
    step: str, outcome: Any, verdict: str
) -> None:
    assert verdict_on(step, outcome) == verdict


@pytest.mark.parametrize(
    ("login", "verdict"),
    [
        (("password", None, 1, True, False), "next"),
        (("password", None, 1, False, True), "stay"),
        (("password", None, 1, False, False), "fail"),
        (("profile", 2, 3, False, True), "next"),
        (("profile", 3, 2, False, True), "fail"),
    ],
)
def test_only_a_login_shows_that_a_change_works(login: Any, verdict: str) -> None:
    kind, target, profile, next_password, sure = login
    found, why = verdict_on_login(
        kind, target=target, profile=profile, next_password=next_password, sure=sure
    )
    assert found == verdict
    assert bool(why) == (verdict == "fail")
