"""What charging costs, by a tariff: pure, exact, and the same whoever asks.

A transaction is counted piece by piece, as its meter tells: what was drawn since the last piece is
taken as spread evenly over it, and where prices change within a piece, it is cut there. Time in
which energy has flowed is charging time, the rest is idle time. Parts are exact; only their sum is
rounded, to the currency's smallest coin.

Source of the terms: OCPI 2.2.1, Tariffs (the first element that holds gives a price); OCPP 2.1
part 2, block I.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

import msgspec

from models.commands.costs import Price, StationTerms, Weekday

TellCost = Literal["never", "end", "running"]
"""What stations are told by themselves: nothing; the total at the end; also how it grows."""

_DAYS: tuple[Weekday, ...] = get_args(Weekday)
_NANO = Decimal("1e-9")
_WIDE = Context(prec=60)
"""Whatever a meter says, its price can be written down."""
_MOST_WH = 1e12
"""No transaction takes more; a register that says so is broken."""
_CUT_WITHIN = timedelta(days=62)
"""A longer piece is no charging that anybody has watched: it has one price."""
_NO_COINS = frozenset({"CLP", "ISK", "JPY", "KRW", "PYG", "VND", "XAF", "XOF", "XPF"})
_THOUSANDTHS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})


class Element(msgspec.Struct, frozen=True):
    """Other prices at some times; None leaves a price to the next element."""

    energy_price_per_kwh: Decimal | None = None
    charging_price_per_hour: Decimal | None = None
    idle_price_per_hour: Decimal | None = None
    start_time: str | None = None
    """`HH:MM` at the site; later than `end_time`: over midnight."""
    end_time: str | None = None
    days: tuple[Weekday, ...] = ()
    """None of them: every day."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """A tariff as it was taken for a transaction."""

    tariff_id: str
    name: str
    currency: str
    energy_price_per_kwh: Decimal
    charging_price_per_hour: Decimal
    idle_price_per_hour: Decimal
    fixed_fee: Decimal
    min_cost: Decimal | None
    max_cost: Decimal | None
    elements: tuple[Element, ...]
    timezone: str
    """Of the site, as an IANA name."""
    tell_cost: TellCost
    cost_step_wh: float
    cost_interval_s: int


class CostState(msgspec.Struct, frozen=True):
    """What a transaction has cost; see `models.tables.billing.TransactionCost`."""

    transaction_id: str
    terms: dict[str, Any]
    counted_until: datetime
    counted_wh: float
    charging_s: float
    idle_s: float
    energy_cost: Decimal
    charging_cost: Decimal
    idle_cost: Decimal
    told_at: datetime
    told_wh: float


def terms_of(cost: CostState) -> Terms:
    """Returns the tariff that a transaction is priced by."""
    return msgspec.convert(cost.terms, Terms)


def is_valid(valid_from: datetime | None, valid_until: datetime | None, at: datetime) -> bool:
    """Returns whether a tariff may be taken for what begins at `at`."""
    return (valid_from is None or valid_from <= at) and (valid_until is None or at < valid_until)


def begun(transaction_id: str, terms: Terms, started_at: datetime) -> CostState:
    """Returns what a transaction costs before anything has flowed."""
    nothing = Decimal(0)
    return CostState(
        transaction_id=transaction_id,
        terms=msgspec.to_builtins(terms),
        counted_until=started_at,
        counted_wh=0.0,
        charging_s=0.0,
        idle_s=0.0,
        energy_cost=nothing,
        charging_cost=nothing,
        idle_cost=nothing,
        told_at=started_at,
        told_wh=0.0,
    )


def counted(cost: CostState, *, until: datetime, energy_wh: float) -> CostState:
    """Returns what a transaction costs after another piece of it.

    Args:
        cost: so far.
        until: the end of the piece; one that lies before the last adds no time.
        energy_wh: of the whole transaction by then. Less than before is a correction: then the
            energy costs as much less.
    """
    until = max(until, cost.counted_until)
    energy_wh = min(energy_wh, _MOST_WH)
    if energy_wh == cost.counted_wh and until == cost.counted_until:
        return cost
    if energy_wh < cost.counted_wh:
        left = _exact(energy_wh) / _exact(cost.counted_wh)
        energy_cost = _rounded(cost.energy_cost * left)
        cost = msgspec.structs.replace(cost, energy_cost=energy_cost, counted_wh=energy_wh)
    drawn_wh = energy_wh - cost.counted_wh
    whole_s = (until - cost.counted_until).total_seconds()
    energy_cost, time_cost = Decimal(0), Decimal(0)
    terms = terms_of(cost)
    for start, end in _pieces(terms, cost.counted_until, until):
        seconds = (end - start).total_seconds()
        share = seconds / whole_s if whole_s else 1.0
        prices = prices_at(terms, start)
        energy_cost += prices.energy_per_kwh * _exact(drawn_wh * share) / 1000
        per_hour = prices.charging_per_hour if drawn_wh > 0 else prices.idle_per_hour
        time_cost += per_hour * _exact(seconds) / 3600
    is_charging = drawn_wh > 0
    return msgspec.structs.replace(
        cost,
        counted_until=until,
        counted_wh=energy_wh,
        charging_s=cost.charging_s + (whole_s if is_charging else 0.0),
        idle_s=cost.idle_s + (0.0 if is_charging else whole_s),
        energy_cost=_rounded(cost.energy_cost + energy_cost),
        charging_cost=cost.charging_cost + (_rounded(time_cost) if is_charging else 0),
        idle_cost=cost.idle_cost + (0 if is_charging else _rounded(time_cost)),
    )


def total(cost: CostState) -> Decimal:
    """Returns the sum, within what the tariff allows, in whole coins."""
    terms = terms_of(cost)
    whole = cost.energy_cost + cost.charging_cost + cost.idle_cost + terms.fixed_fee
    if terms.min_cost is not None:
        whole = max(whole, terms.min_cost)
    if terms.max_cost is not None:
        whole = min(whole, terms.max_cost)
    return whole.quantize(_coin(terms.currency), ROUND_HALF_UP, _WIDE)


def is_due(cost: CostState) -> bool:
    """Returns whether its driver is to be told anew what a running transaction costs."""
    terms = terms_of(cost)
    grown_wh = cost.counted_wh - cost.told_wh
    waited_s = (cost.counted_until - cost.told_at).total_seconds()
    return terms.tell_cost == "running" and (
        grown_wh >= terms.cost_step_wh or waited_s >= terms.cost_interval_s
    )


def told(cost: CostState) -> CostState:
    """Returns a cost that its driver has been told of."""
    return msgspec.structs.replace(cost, told_at=cost.counted_until, told_wh=cost.counted_wh)


def changed(cost: CostState, terms: Terms) -> CostState:
    """Returns the cost of a transaction that goes on by another tariff of the same currency.

    The fee that is paid once has been paid.
    """
    if cost.terms:
        terms = msgspec.structs.replace(terms, fixed_fee=terms_of(cost).fixed_fee)
    return msgspec.structs.replace(cost, terms=msgspec.to_builtins(terms))


class Prices(msgspec.Struct, frozen=True):
    """What holds at an instant."""

    energy_per_kwh: Decimal
    charging_per_hour: Decimal
    idle_per_hour: Decimal


def prices_at(terms: Terms, at: datetime) -> Prices:
    """Returns the prices at an instant: of the first elements that hold then, else the tariff's."""
    energy = charging = idle = None
    if terms.elements:
        local = at.astimezone(ZoneInfo(terms.timezone))
        for element in terms.elements:
            if _holds(element, local):
                energy = _first(energy, element.energy_price_per_kwh)
                charging = _first(charging, element.charging_price_per_hour)
                idle = _first(idle, element.idle_price_per_hour)
    return Prices(
        terms.energy_price_per_kwh if energy is None else energy,
        terms.charging_price_per_hour if charging is None else charging,
        terms.idle_price_per_hour if idle is None else idle,
    )


def station_terms(terms: Terms) -> StationTerms:
    """Returns a tariff as a station takes it: what it is not told costs nothing there."""
    return StationTerms(
        tariff_id=terms.tariff_id,
        name=terms.name,
        currency=terms.currency,
        energy_per_kwh=_told_prices(terms, "energy_price_per_kwh"),
        charging_per_hour=_told_prices(terms, "charging_price_per_hour"),
        idle_per_hour=_told_prices(terms, "idle_price_per_hour"),
        fixed=(Price(price=terms.fixed_fee),) if terms.fixed_fee else (),
        min_cost=terms.min_cost,
        max_cost=terms.max_cost,
    )


def _told_prices(terms: Terms, name: str) -> tuple[Price, ...]:
    special = [
        Price(
            price=price, start_time=each.start_time, end_time=each.end_time, days=tuple(each.days)
        )
        for each in terms.elements
        if (price := getattr(each, name)) is not None
    ]
    base: Decimal = getattr(terms, name)
    return (*special, Price(price=base)) if special or base else ()


def _holds(element: Element, local: datetime) -> bool:
    if element.days and _DAYS[local.weekday()] not in element.days:
        return False
    time = f"{local:%H:%M}"
    start, end = element.start_time or "00:00", element.end_time or "24:00"
    if start < end:
        return start <= time < end
    return time >= start or time < end


def _pieces(terms: Terms, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yields a period cut where prices may change."""
    if terms.elements and start < end and end - start <= _CUT_WITHIN:
        for border in _borders(terms, start, end):
            yield start, border
            start = border
    yield start, end


def _borders(terms: Terms, start: datetime, end: datetime) -> list[datetime]:
    zone = ZoneInfo(terms.timezone)
    times = {"00:00"}
    for element in terms.elements:
        times.update(time for time in (element.start_time, element.end_time) if time is not None)
    found: set[datetime] = set()
    midnight = start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    while midnight.astimezone(start.tzinfo) < end:
        for time in times:
            hour, minute = int(time[:2]), int(time[3:])
            found.add(midnight.replace(hour=hour, minute=minute).astimezone(start.tzinfo))
        midnight += timedelta(days=1)
    return sorted(border for border in found if start < border < end)


def _first(found: Decimal | None, other: Decimal | None) -> Decimal | None:
    return other if found is None else found


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(_NANO, context=_WIDE)


def _exact(value: float) -> Decimal:
    return Decimal(repr(round(value, 6)))


def _coin(currency: str) -> Decimal:
    if currency in _NO_COINS:
        return Decimal(1)
    return Decimal("0.001") if currency in _THOUSANDTHS else Decimal("0.01")
