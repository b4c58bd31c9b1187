"""When a certificate is renewed, and when its station is asked again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from csms.security.rules import CertificateState, Renewal, next_of_renewal

NOW = datetime(2026, 6, 15, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
AHEAD = 30 * DAY


def a_certificate(left: timedelta, life: timedelta = 365 * DAY, **columns: object):
    values = {
        "id": "c",
        "tenant_id": "default",
        "station": "CP-1",
        "state": "installed",
        "created_at": NOW,
        "updated_at": NOW,
        "request": "csr",
        "not_before": NOW + left - life,
        "not_after": NOW + left,
    }
    return CertificateState(**(values | columns))


@pytest.mark.parametrize(
    ("left", "life", "due"),
    [
        (31 * DAY, 365 * DAY, "wait"),
        (30 * DAY, 365 * DAY, "ask"),
        (4 * DAY, 9 * DAY, "wait"),
        (3 * DAY, 9 * DAY, "ask"),
        (-DAY, 365 * DAY, "ask"),
    ],
)
def test_it_is_time_some_days_before_the_end_and_never_before_a_third_of_a_life(
    left: timedelta, life: timedelta, due: Renewal
) -> None:
    found = next_of_renewal(a_certificate(left, life), now=NOW, real_now=NOW, ahead=AHEAD)
    assert found == due


@pytest.mark.parametrize(
    ("state", "tries", "ago", "then"),
    [
        ("asked", 1, 119 * HOUR / 60, "wait"),
        ("asked", 1, 2 * HOUR, "give-up"),
        ("failed", 1, 59 * HOUR / 60, "wait"),
        ("failed", 1, HOUR, "ask"),
        ("failed", 2, 3 * HOUR, "wait"),
        ("failed", 2, 4 * HOUR, "ask"),
        ("failed", 3, 16 * HOUR, "ask"),
        ("failed", 4, 23 * HOUR, "wait"),
        ("failed", 99, DAY, "ask"),
        ("renewed", 1, HOUR, "ask"),
    ],
)
def test_a_station_is_asked_again_at_longer_and_longer_intervals(
    state: str, tries: int, ago: timedelta, then: Renewal
) -> None:
    held = a_certificate(DAY, renewal=state, renewal_tries=tries, renewal_at=NOW - ago)
    assert next_of_renewal(held, now=NOW, real_now=NOW, ahead=AHEAD) == then


def test_one_that_has_ended_is_asked_for_once() -> None:
    held = a_certificate(-DAY, renewal="failed", renewal_tries=1, renewal_at=NOW - 2 * DAY)
    assert next_of_renewal(held, now=NOW, real_now=NOW, ahead=AHEAD) == "wait"


def test_one_that_was_issued_elsewhere_is_only_told_of() -> None:
    held = a_certificate(DAY, request=None)
    assert next_of_renewal(held, now=NOW, real_now=NOW, ahead=AHEAD) == "tell"
    told = a_certificate(DAY, request=None, renewal="elsewhere", renewal_at=NOW)
    assert next_of_renewal(told, now=NOW, real_now=NOW, ahead=AHEAD) == "wait"
