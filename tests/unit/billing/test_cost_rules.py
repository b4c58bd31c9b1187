"""What charging costs, by the rules alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms.billing.rules.costs import (
    CostState,
    Told,
    begun,
    changed,
    counted,
    is_due,
    is_valid,
    reported,
    shortened,
    station_terms,
    told,
    total,
)
from csms.billing.rules.prices import Element, Terms, prices_at

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


TIMED = {"charging_price_per_hour": Decimal("1.20"), "idle_price_per_hour": Decimal("6.00")}


def said(
    cost: CostState,
    minutes: float,
    *,
    wh: float | None = None,
    state: str | None = None,
    power_w: float | None = None,
    is_end: bool = False,
) -> CostState:
    """Returns a cost after a report; `wh` is what an energy register makes of it."""
    at = FRIDAY + timedelta(minutes=minutes)
    return reported(
        cost,
        Told(
            registered_at=None if wh is None else at,
            charging_state=state,
            powers=() if power_w is None else ((at, power_w),),
        ),
        ended_at=at if is_end else None,
        energy_wh=cost.counted_wh if wh is None else wh,
    )


def test_a_report_without_an_energy_register_ends_no_piece() -> None:
    cost = begun("x", terms(**TIMED), FRIDAY)
    for minute in range(1, 30):
        cost = said(cost, minute)
    cost = said(cost, 30, wh=2000.0)
    assert (cost.charging_s, cost.idle_s) == (1800.0, 0.0)
    # What comes after the last register ends with the transaction.
    cost = said(said(cost, 35), 40, is_end=True)
    assert (cost.charging_s, cost.idle_s, cost.idle_cost) == (1800.0, 600.0, Decimal(1))


@pytest.mark.parametrize("word", [{"state": "Charging"}, {"power_w": 3700.0}])
def test_a_coarse_register_makes_no_idle_time_of_charging(word: dict[str, Any]) -> None:
    cost = said(begun("x", terms(**TIMED), FRIDAY), 0, wh=0.0, **word)
    for minute in range(1, 16):
        cost = said(cost, minute, wh=1000.0 * (minute // 15), **word)
    assert (cost.charging_s, cost.idle_s) == (900.0, 0.0)


def test_a_register_that_stands_still_while_nothing_else_charges_is_idle_time() -> None:
    cost = said(begun("x", terms(**TIMED), FRIDAY), 0, wh=0.0, state="SuspendedEV", power_w=20.0)
    # The car begins just now: what lies before was idle.
    cost = said(cost, 30, wh=0.0, state="Charging")
    cost = said(cost, 60, wh=4000.0, state="SuspendedEV", power_w=20.0)
    cost = said(cost, 90, wh=4000.0, state="SuspendedEV")
    assert (cost.charging_s, cost.idle_s) == (1800.0, 3600.0)


def test_time_in_which_our_limit_holds_a_car_back_costs_nothing() -> None:
    cost = said(begun("x", terms(**TIMED), FRIDAY), 0, wh=0.0, state="SuspendedEVSE")
    cost = said(cost, 30, wh=0.0, state="SuspendedEVSE")
    cost = said(said(cost, 40, state="SuspendedEVSE"), 60, is_end=True, wh=0.0)
    assert (cost.charging_s, cost.idle_s, cost.held_s) == (0.0, 0.0, 3600.0)
    assert total(cost) == 0


def test_more_than_a_day_without_a_word_costs_no_time() -> None:
    start = datetime(2015, 1, 1, tzinfo=UTC)
    cost = begun("x", terms(**TIMED), start)
    cost = counted(cost, until=FRIDAY, energy_wh=1000.0)
    assert (total(cost), cost.suspect) == (Decimal("0.40"), ["time-gap"])
    assert (cost.charging_s, cost.idle_s, cost.counted_until) == (0.0, 0.0, FRIDAY)
    # From then on it is counted as ever.
    assert total(after(cost, 10, 1000.0)) == Decimal("1.40")
    still = counted(begun("y", terms(**TIMED), start), until=FRIDAY, energy_wh=0.0)
    assert (total(still), still.suspect) == (0, ["time-gap"])


def test_an_end_that_is_put_right_takes_time_back_as_it_was_counted() -> None:
    night = Element(idle_price_per_hour=Decimal(0), start_time="20:00", end_time="06:00")
    cost = after(begun("x", terms(**TIMED, elements=(night,)), FRIDAY), 60, 5000.0)
    for hour in range(2, 14):
        cost = after(cost, 60 * hour, 5000.0)
    assert (cost.charging_s, cost.idle_s, cost.idle_cost) == (3600.0, 12 * 3600.0, Decimal(12))
    for minutes, charging_s, idle_s, idle_cost in (
        (240, 3600.0, 3 * 3600.0, Decimal(6)),
        (90, 3600.0, 1800.0, Decimal(3)),
        (30, 1800.0, 0.0, Decimal(0)),
    ):
        until = FRIDAY + timedelta(minutes=minutes)
        less = shortened(cost, until=until, started_at=FRIDAY)
        assert (less.charging_s, less.idle_s, less.counted_until) == (charging_s, idle_s, until)
        assert (less.idle_cost, less.suspect) == (idle_cost, [])
        assert less.charging_cost == Decimal("1.20") * int(charging_s) / 3600
    assert shortened(cost, until=cost.counted_until, started_at=FRIDAY) is cost


def test_time_of_which_nothing_is_remembered_is_taken_back_in_shares() -> None:
    cost = after(after(begun("x", terms(**TIMED), FRIDAY), 60, 5000.0), 120, 5000.0)
    old = msgspec.structs.replace(cost, runs=[])
    less = shortened(old, until=FRIDAY + timedelta(minutes=30), started_at=FRIDAY)
    assert (less.charging_s, less.idle_s, less.suspect) == (900.0, 900.0, ["cut-by-share"])
    assert (less.charging_cost, less.idle_cost) == (Decimal("0.30"), Decimal("1.50"))


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


def test_prices_change_by_the_clock_on_the_days_it_is_changed() -> None:
    def cost_of(start: datetime, hours: int, element: Element) -> Decimal:
        cost = begun("x", terms(elements=(element,)), start)
        return total(counted(cost, until=start + timedelta(hours=hours), energy_wh=hours * 1000.0))

    # In autumn 02:30 to 03:00 comes twice.
    autumn = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)
    cheap = Element(energy_price_per_kwh=Decimal("0.10"), start_time="02:30", end_time="03:00")
    assert cost_of(autumn, 5, cheap) == Decimal("2.00") - 2 * Decimal("0.15")
    # In spring 02:30 never comes: it holds from 03:00.
    spring = datetime(2026, 3, 28, 23, 0, tzinfo=UTC)
    late = Element(energy_price_per_kwh=Decimal("0.10"), start_time="02:30", end_time="04:00")
    assert cost_of(spring, 5, late) == Decimal("2.00") - Decimal("0.30")


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
