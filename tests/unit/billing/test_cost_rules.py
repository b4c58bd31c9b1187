"""What charging costs, by the rules alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms.billing.rules.costs import (
    CostState,
    Element,
    Terms,
    begun,
    changed,
    counted,
    is_due,
    is_valid,
    prices_at,
    station_terms,
    told,
    total,
)

FRIDAY = datetime(2026, 6, 19, 16, 0, tzinfo=UTC)
"""18:00 in Paris."""


def terms(**changes: Any) -> Terms:
    values: dict[str, Any] = {
        "tariff_id": "t",
        "name": "T",
        "currency": "EUR",
        "energy_price_per_kwh": Decimal("0.40"),
        "charging_price_per_hour": Decimal(0),
        "idle_price_per_hour": Decimal(0),
        "fixed_fee": Decimal(0),
        "min_cost": None,
        "max_cost": None,
        "elements": (),
        "timezone": "Europe/Paris",
        "tell_cost": "never",
        "cost_step_wh": 1000.0,
        "cost_interval_s": 600,
    }
    return Terms(**values | changes)


def after(cost: CostState, minutes: float, energy_wh: float) -> CostState:
    return counted(cost, until=FRIDAY + timedelta(minutes=minutes), energy_wh=energy_wh)


def test_energy_time_and_fee_add_up() -> None:
    it = terms(
        charging_price_per_hour=Decimal("1.20"),
        idle_price_per_hour=Decimal("6.00"),
        fixed_fee=Decimal("0.35"),
    )
    cost = after(after(begun("x", it, FRIDAY), 30, 2000.0), 40, 2000.0)
    assert (cost.charging_s, cost.idle_s) == (1800.0, 600.0)
    assert (cost.energy_cost, cost.charging_cost, cost.idle_cost) == (
        Decimal("0.80"),
        Decimal("0.60"),
        Decimal("1.00"),
    )
    assert total(cost) == Decimal("2.75")


def test_prices_change_within_a_piece() -> None:
    evening = Element(energy_price_per_kwh=Decimal("0.60"), start_time="19:00", end_time="22:00")
    cost = after(begun("x", terms(elements=(evening,)), FRIDAY), 120, 2000.0)
    # Half of it before 19:00 at 0.40, half after at 0.60.
    assert total(cost) == Decimal("1.00")


def test_elements_hold_by_day_and_over_midnight() -> None:
    night = Element(energy_price_per_kwh=Decimal("0.20"), start_time="22:00", end_time="06:00")
    weekend = Element(idle_price_per_hour=Decimal(3), days=("SATURDAY", "SUNDAY"))
    it = terms(elements=(night, weekend))
    late = prices_at(it, datetime(2026, 6, 19, 20, 0, tzinfo=UTC))
    assert (late.energy_per_kwh, late.idle_per_hour) == (Decimal("0.20"), Decimal(0))
    saturday = prices_at(it, datetime(2026, 6, 20, 3, 59, tzinfo=UTC))
    assert (saturday.energy_per_kwh, saturday.idle_per_hour) == (Decimal("0.20"), Decimal(3))
    morning = prices_at(it, datetime(2026, 6, 20, 4, 0, tzinfo=UTC))
    assert (morning.energy_per_kwh, morning.idle_per_hour) == (Decimal("0.40"), Decimal(3))


@pytest.mark.parametrize(
    ("currency", "expected"), [("EUR", "0.12"), ("JPY", "0"), ("KWD", "0.123")]
)
def test_only_the_sum_is_rounded_to_a_coin(currency: str, expected: str) -> None:
    it = terms(currency=currency, energy_price_per_kwh=Decimal("0.1234"))
    assert total(after(begun("x", it, FRIDAY), 10, 1000.0)) == Decimal(expected)


def test_the_sum_keeps_within_its_bounds() -> None:
    it = terms(min_cost=Decimal("1.00"), max_cost=Decimal("5.00"))
    cost = begun("x", it, FRIDAY)
    assert [total(after(cost, 10, wh)) for wh in (100.0, 5000.0, 50_000.0)] == [
        Decimal("1.00"),
        Decimal("2.00"),
        Decimal("5.00"),
    ]


def test_energy_that_was_put_right_costs_as_much_less() -> None:
    cost = after(begun("x", terms(), FRIDAY), 10, 4000.0)
    assert total(after(cost, 10, 1000.0)) == Decimal("0.40")


def test_another_tariff_leaves_what_was_paid() -> None:
    cost = after(begun("x", terms(fixed_fee=Decimal(1)), FRIDAY), 10, 1000.0)
    cost = changed(cost, terms(energy_price_per_kwh=Decimal("0.10"), fixed_fee=Decimal(9)))
    assert total(cost) == Decimal("1.40")
    assert total(after(cost, 20, 2000.0)) == Decimal("1.50")


def test_a_cost_is_due_after_a_step_or_an_interval() -> None:
    cost = begun("x", terms(tell_cost="running"), FRIDAY)
    assert [is_due(after(cost, *piece)) for piece in ((5, 900.0), (5, 1000.0), (10, 0.0))] == [
        False,
        True,
        True,
    ]
    assert not is_due(told(after(cost, 10, 1000.0)))
    assert not is_due(after(begun("x", terms(tell_cost="end"), FRIDAY), 99, 9999.0))


def test_a_tariff_is_valid_from_until() -> None:
    later = FRIDAY + timedelta(hours=1)
    assert is_valid(None, None, FRIDAY)
    assert is_valid(FRIDAY, later, FRIDAY)
    assert not is_valid(FRIDAY, later, later)
    assert not is_valid(later, None, FRIDAY)


def test_a_station_is_told_the_same_prices() -> None:
    night = Element(energy_price_per_kwh=Decimal("0.20"), start_time="22:00", days=("MONDAY",))
    told_terms = station_terms(terms(elements=(night,), fixed_fee=Decimal(1)))
    assert [(p.price, p.start_time, p.days) for p in told_terms.energy_per_kwh] == [
        (Decimal("0.20"), "22:00", ("MONDAY",)),
        (Decimal("0.40"), None, ()),
    ]
    assert (told_terms.charging_per_hour, told_terms.fixed[0].price) == ((), Decimal(1))


@given(
    pieces=st.lists(
        st.tuples(st.floats(0, 600), st.floats(0, 1e5, allow_subnormal=False)), max_size=8
    ),
    split=st.booleans(),
)
def test_cost_never_falls_while_energy_grows(
    pieces: list[tuple[float, float]], split: bool
) -> None:
    evening = Element(charging_price_per_hour=Decimal("0.60"), start_time="19:00")
    it = terms(elements=(evening,) if split else (), idle_price_per_hour=Decimal(2))
    cost, minutes, energy_wh = begun("x", it, FRIDAY), 0.0, 0.0
    for more_minutes, more_wh in pieces:
        minutes, energy_wh = minutes + more_minutes, energy_wh + more_wh
        before, cost = total(cost), after(cost, minutes, energy_wh)
        assert total(cost) >= before
        assert cost.counted_wh == energy_wh
