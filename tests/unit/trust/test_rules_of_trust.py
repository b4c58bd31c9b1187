"""Whom one may ask, what answers hold, and what a contract is worth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from csms.trust.rules import (
    same_contract,
    token_status,
    why_not_asked,
    why_out_of_time,
    worth_of,
)
from models.proofs import Proof, ProofStatus, StatusFound

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
GOOD = StatusFound(status="good", verified=True)
HOSTS = frozenset({"ocsp.example", "other.example:8080", "[2001:db8::1]"})


@pytest.mark.parametrize(
    "url",
    [
        "http://ocsp.example/a",
        "https://OCSP.example/a",
        "https://ocsp.example:443",
        "http://other.example:8080/a?b",
        "http://[2001:db8::1]/ocsp",
    ],
)
def test_hosts_that_are_named_may_be_asked(url: str) -> None:
    assert why_not_asked(url, HOSTS) is None


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://ocsp.example:8080/a", "does not name ocsp.example:8080"),
        ("http://other.example/a", "does not name other.example:80"),
        ("http://ocsp.example.evil/a", "does not name"),
        ("http://evil/?ocsp.example", "does not name"),
        ("http://ocsp.example@evil/", "has a user in it"),
        ("ftp://ocsp.example/", "neither"),
        ("ocsp.example", "neither"),
        ("http:///a", "neither"),
        ("http://ocsp.example:99999/", "can't be read"),
    ],
)
def test_responders_of_other_hosts_or_by_other_ways_are_not_asked(url: str, why: str) -> None:
    assert why in (why_not_asked(url, HOSTS) or "")
    assert why_not_asked(url, frozenset()) is not None


def test_an_answer_holds_from_its_time_to_its_time() -> None:
    second, latest = timedelta(seconds=1), NOW + timedelta(minutes=5)
    assert why_out_of_time(NOW, NOW + second, latest, NOW) is None
    assert why_out_of_time(latest, None, latest, NOW) is None
    assert "future" in (why_out_of_time(latest + second, None, latest, NOW) or "")
    assert "too old" in (why_out_of_time(NOW - second, NOW, latest, NOW) or "")


def test_an_answer_that_does_not_say_how_long_it_holds_is_good_for_an_hour() -> None:
    second, hour = timedelta(seconds=1), timedelta(hours=1)
    assert why_out_of_time(NOW - hour + second, None, NOW, NOW) is None
    assert "too old" in (why_out_of_time(NOW - hour, None, NOW, NOW) or "")


def test_a_chain_is_worth_what_its_weakest_part_is() -> None:
    revoked = StatusFound(status="revoked", verified=True)
    unsure = StatusFound(status="good", why="nobody has signed")
    assert worth_of([GOOD, GOOD]) == ("Accepted", None)
    assert worth_of([unsure, revoked]) == ("CertificateRevoked", None)
    assert worth_of([GOOD, unsure]) == ("NoCertificateAvailable", "nobody has signed")
    assert worth_of([StatusFound(status="unknown", verified=True)])[0] == "NoCertificateAvailable"
    assert worth_of([])[0] == "NoCertificateAvailable"


@pytest.mark.parametrize(
    ("status", "binding", "wanted"),
    [
        ("Accepted", True, "Accepted"),
        ("CertificateRevoked", False, "Invalid"),
        ("CertificateExpired", False, "Invalid"),
        ("CertChainError", False, "Invalid"),
        ("NoCertificateAvailable", True, "Invalid"),
        ("NoCertificateAvailable", False, "Accepted"),
    ],
)
def test_a_token_is_refused_with_its_certificates(
    status: ProofStatus, binding: bool, wanted: str
) -> None:
    proof = Proof(status=status, binding=binding)
    assert token_status("Accepted", proof) == wanted
    assert token_status("Blocked", proof) == "Blocked"
    assert token_status("Accepted", None) == "Accepted"


def test_contracts_are_the_same_by_their_first_fourteen_characters() -> None:
    assert same_contract("DE-HEL-C12345678-X", "dehelc12345678")
    assert same_contract("DEHELC12345678X", "DEHELC12345678")
    assert not same_contract("DEHELC12345679", "DEHELC12345678")
    assert not same_contract(None, "DEHELC12345678")
    assert not same_contract("", "")
