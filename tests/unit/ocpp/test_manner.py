"""How stations with quirks on their record are spoken to and understood."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from csms.ocpp.manner import BY_THE_BOOK, READ, manner_of
from models.commands import LimitPeriod, Reset, SetLimit
from models.facts import HeartbeatReported, TokenPresented
from models.quirks import CATALOGUE, SETTINGS

NOON = datetime(2026, 6, 16, 12, 0, tzinfo=UTC)


def limit(**changes: Any) -> SetLimit:
    values: dict[str, Any] = {
        "evse_id": 2,
        "purpose": "transaction",
        "ocpp_transaction_id": "7",
        "profile_id": 21,
        "stack_level": 1,
        "periods": (LimitPeriod(0, 5000.0), LimitPeriod(900, 3000.0)),
        "duration_s": 1800,
        "start_at": NOON,
        "tx_started_at": NOON - timedelta(minutes=10),
        "phases": 3,
    }
    return SetLimit(**{**values, **changes})


def said(*quirks: str, **changes: Any) -> Any:
    return manner_of(frozenset(quirks), strict=False).said(limit(**changes))


def test_without_quirks_and_when_strict_all_is_by_the_book() -> None:
    assert manner_of(frozenset(), strict=False) is BY_THE_BOOK
    assert manner_of(frozenset(SETTINGS), strict=True) is BY_THE_BOOK
    assert BY_THE_BOOK.said(limit()) == limit()


def test_every_quirk_that_is_adapted_to_is_read_here() -> None:
    adapted = {quirk.id for quirk in CATALOGUE.values() if quirk.we == "adapt"}
    assert adapted <= READ <= set(SETTINGS)


def test_only_limits_are_put_in_other_words() -> None:
    reset = Reset()
    assert manner_of(frozenset(SETTINGS), strict=False).said(reset) is reset


@pytest.mark.parametrize("quirk", ["rejects-tx-profile", "ignores-tx-profile"])
def test_a_limit_of_a_transaction_becomes_the_default_of_its_evse(quirk: str) -> None:
    told = said(quirk)
    assert (told.purpose, told.ocpp_transaction_id, told.evse_id) == ("default", None, 2)


def test_amperes_are_whole_and_never_more_than_asked() -> None:
    told = said("integer-amps")
    assert told.rate_unit == "A"
    assert [each.limit_w for each in told.periods] == [7 * 690.0, 4 * 690.0]


def test_units_are_those_that_the_station_takes() -> None:
    assert said("a-only").rate_unit == "A"
    assert said("w-only", rate_unit="A").rate_unit == "W"


def test_a_limit_per_phase_is_a_part_of_the_whole() -> None:
    assert [each.limit_w for each in said("total-vs-phase").periods] == [5000 / 3, 1000.0]


def test_what_is_too_little_is_nothing() -> None:
    assert [each.limit_w for each in said("below-6a").periods] == [5000.0, 0.0]


def test_phases_are_named_where_they_must_be() -> None:
    assert [each.phases for each in said("numberphases-required").periods] == [3, 3]


def test_a_relative_limit_counts_from_the_start_of_its_transaction() -> None:
    told = said("relative-only")
    assert told.start_at is None
    assert [each.start_s for each in told.periods] == [0, 1500]
    assert told.duration_s == 2400


def test_a_schedule_that_is_too_long_ends_early() -> None:
    periods = tuple(LimitPeriod(60 * n, 1000.0 * n) for n in range(5))
    told = said("maxperiods-3", periods=periods)
    assert told.periods == periods[:3]
    assert told.duration_s == 180


def test_levels_and_outlets_are_those_that_there_are() -> None:
    assert said("stack0-only").stack_level == 0
    whole = {"evse_id": 0, "purpose": "default", "ocpp_transaction_id": None}
    assert said("conn0-rejected", **whole).evse_id == 1
    assert said("conn0-rejected").evse_id == 2


@pytest.mark.parametrize(
    ("quirk", "token", "right"),
    [
        ("tag-colons", "20:69:C0:21", "2069C021"),
        ("tag-suffix", "ABC_12_KEBA-1", "ABC_12"),
        ("tag-suffix", "ABC", "ABC"),
    ],
)
def test_tokens_are_put_right(quirk: str, token: str, right: str) -> None:
    manner = manner_of(frozenset({quirk}), strict=False)
    fact = TokenPresented(station="S", received_at=NOON, scheme="1.6", id_token=token)
    heard = manner.heard(fact)
    assert isinstance(heard, TokenPresented)
    assert heard.id_token == right
    beat = HeartbeatReported(station="S", received_at=NOON)
    assert manner.heard(beat) is beat
