"""What counts as odd, and what a person may do about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from csms.reconciliation.rules import (
    KINDS,
    choices,
    done,
    is_gone,
    is_implausible,
    told_stop,
)

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
STOP = '{"meterStop":5000,"timestamp":"2026-06-15T11:00:00Z","reason":"EVDisconnected"}'


def ago(minutes: float) -> datetime:
    return NOON - timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("metered", "statuses", "gone"),
    [
        (ago(30), [("Available", ago(10))], True),
        (ago(30), [("Available", ago(9))], False),
        (ago(5), [("Available", ago(10))], False),
        (None, [("Available", ago(59))], True),
        (None, [("Available", ago(61))], False),
        (ago(30), [("Charging", ago(10))], False),
        (ago(30), [("Finishing", ago(10))], False),
        (ago(30), [("Available", ago(20)), ("Occupied", ago(20))], False),
        (ago(30), [("Available", ago(20)), ("Available", ago(15))], True),
        (ago(30), [("Available", None)], False),
        (ago(30), [], False),
    ],
)
def test_a_car_has_left_where_its_connector_is_free_since_its_last_sign(
    metered: datetime | None, statuses: list[tuple[str, datetime | None]], *, gone: bool
) -> None:
    assert is_gone(ago(60), metered, statuses, NOON) is gone


@pytest.mark.parametrize(
    ("energy_wh", "minutes", "power_w", "suspect", "odd"),
    [
        (7_400.0, 60, 7_400.0, [], False),
        (8_800.0, 60, 7_400.0, [], False),
        (9_000.0, 60, 7_400.0, [], True),
        (9_000.0, 60, None, [], False),
        (500_000.0, 60, None, [], True),
        (499.0, 0, 3_700.0, [], False),
        (600.0, 0, 3_700.0, [], True),
        (9_000.0, 60, 7_400.0, ["time-implausible"], False),
        (9_000.0, 60, 7_400.0, ["schema"], True),
    ],
)
def test_more_energy_than_an_evse_gives_is_doubted(
    energy_wh: float,
    minutes: float,
    power_w: float | None,
    suspect: list[str],
    *,
    odd: bool,
) -> None:
    duration = timedelta(minutes=minutes)
    assert is_implausible(energy_wh, duration, power_w, suspect) is odd


def test_what_is_resolved_offers_nothing() -> None:
    for kind in (*KINDS, "something-new"):
        assert choices(kind, None, resolved=True) == ()
        assert "keep" in choices(kind, None, resolved=False)
        assert done(kind).endswith(".")


def test_only_a_told_end_can_be_assigned() -> None:
    assert choices("transaction-unknown", STOP, resolved=False) == ("keep", "assign")
    stop = told_stop(STOP)
    assert stop is not None
    assert (stop.meter_stop, stop.reason) == (5000, "EVDisconnected")
    for raw in (
        None,
        "",
        "no json",
        "[]",
        '{"meterStop":"x","timestamp":"2026-06-15T11:00:00Z"}',
        '{"meterStop":1,"timestamp":"2026-06-15T11:00:00"}',
        '{"transactionId":7,"meterValue":[]}',
        "[" * 5000,
    ):
        assert told_stop(raw) is None
        assert choices("transaction-unknown", raw, resolved=False) == ("keep",)
