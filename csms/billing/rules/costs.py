"""What charging costs, by a tariff: pure, exact, and the same whoever asks.

A transaction is counted piece by piece. A piece ends where the energy register of the outlet was
read, or at the end of the transaction: what was drawn within it is taken as spread evenly over it,
and where prices change within a piece, it is cut there. A piece in which energy has flowed is
charging time; so is one whose register stood still while the metered power or the station's word
says that the car was charging, for many registers count whole kilowatt-hours. A piece in which the
station held the car back (SuspendedEVSE: our limit) costs no time; the rest is idle time. Parts are
exact; only their sum is rounded, to the currency's smallest coin.

Source of the terms: OCPP 2.1 part 2, block I. Which price holds when is in `.prices`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Literal

import msgspec

from csms.billing.rules.prices import Terms, pieces, prices_at
from models.commands.costs import Price, StationTerms

_NANO = Decimal("1e-9")
_WIDE = Context(prec=60)
"""Whatever a meter says, its price can be written down."""
_MOST_WH = 1e12
"""No transaction takes more; a register that says so is broken."""
_LONGEST = timedelta(days=1)
"""In a longer piece nobody knows what the time was used for, if a clock was not wrong besides."""
_CHARGING_W = 100.0
"""More than a car's electronics draw while it waits."""
_MOST_RUNS = 100
"""So many pieces of time of one sort are remembered of a transaction, the newest."""
TIME_GAP = "time-gap"
"""Mark of a cost: it has a piece that is longer than a day, whose time costs nothing."""
CUT_BY_SHARE = "cut-by-share"
"""Mark of a cost: time was taken back of which it was not known what sort it was."""

Sort = Literal["charging", "held", "idle"]
"""What a piece of time is; time in which the station holds the car back costs nothing."""
_NO_COINS = frozenset({"CLP", "ISK", "JPY", "KRW", "PYG", "VND", "XAF", "XOF", "XPF"})
_THOUSANDTHS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})


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
    held_s: float = 0.0
    seen: str | None = None
    """`charging` or `held`: what was told within the piece that is not over yet."""
    runs: list[Any] = msgspec.field(default_factory=list[Any])
    """Its time, each run of one sort, as `Run`."""
    suspect: list[Any] = msgspec.field(default_factory=list[Any])


class Run(msgspec.Struct, frozen=True):
    """Time of one sort, as it was counted."""

    start: datetime
    end: datetime
    sort: Sort
    cost: Decimal


class Told(msgspec.Struct, frozen=True):
    """What a report says of how a car charges."""

    registered_at: datetime | None = None
    """When the energy register of the outlet was read, by the instant that we go by."""
    charging_state: str | None = None
    """As it is from now on."""
    powers: tuple[tuple[datetime, float], ...] = ()


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


def reported(
    cost: CostState, told: Told, *, ended_at: datetime | None, energy_wh: float
) -> CostState:
    """Returns what a transaction costs after a report of it.

    A report without an energy register ends no piece: that nothing was drawn is not known by it.

    Args:
        cost: so far.
        told: what the report says.
        ended_at: when the transaction has ended, if it has.
        energy_wh: of the whole transaction by then.
    """
    seen = cost.seen
    if _drawing(told, cost.counted_until):
        seen = "charging"
    until = ended_at or told.registered_at
    if until is None:
        seen = _stronger(seen, _word(told.charging_state))
        return cost if seen == cost.seen else msgspec.structs.replace(cost, seen=seen)
    is_over = until > cost.counted_until or energy_wh > cost.counted_wh
    after = counted(msgspec.structs.replace(cost, seen=seen), until=until, energy_wh=energy_wh)
    then = "charging" if _drawing(told, until) else _word(told.charging_state)
    after = msgspec.structs.replace(after, seen=then if is_over else _stronger(seen, then))
    return cost if after == cost else after


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
    energy_cost = _energy_cost(terms_of(cost), cost.counted_until, until, drawn_wh)
    sort: Sort = "charging" if drawn_wh > 0 or cost.seen == "charging" else "idle"
    if sort == "idle" and cost.seen == "held":
        sort = "held"
    cost = _with_time(cost, until, sort)
    return msgspec.structs.replace(
        cost,
        counted_until=until,
        counted_wh=energy_wh,
        energy_cost=_rounded(cost.energy_cost + energy_cost),
    )


def shortened(cost: CostState, *, until: datetime, started_at: datetime) -> CostState:
    """Returns a cost without the time after an end that was put right to an earlier one.

    What is remembered run by run is taken back as it was counted; of time that is older than that,
    the same share of each sort, and the cost is marked.
    """
    if until >= cost.counted_until:
        return cost
    terms = terms_of(cost)
    runs = msgspec.convert(cost.runs, list[Run])
    left = [_run_until(terms, run, until) for run in runs if run.start < until]
    first_at = runs[0].start if runs else cost.counted_until
    share = Decimal(1)
    if until < first_at:
        whole_s = (first_at - started_at).total_seconds()
        left_s = max(0.0, (until - started_at).total_seconds())
        share = _exact(left_s) / _exact(whole_s) if whole_s > 0 else Decimal(0)
    is_shared = False
    parts: dict[Sort, tuple[float, Decimal]] = {
        "charging": (cost.charging_s, cost.charging_cost),
        "idle": (cost.idle_s, cost.idle_cost),
        "held": (cost.held_s, Decimal(0)),
    }
    for sort, (seconds, price) in parts.items():
        known_s, known = _sum_of(runs, sort)
        new_s, new = _sum_of(left, sort)
        is_shared |= share != 1 and (seconds - known_s > 1 or price != known)
        older_s = max(0.0, seconds - known_s)
        parts[sort] = (
            older_s * float(share) + new_s,
            _rounded((price - known) * share + new),
        )
    return msgspec.structs.replace(
        cost,
        counted_until=until,
        charging_s=parts["charging"][0],
        idle_s=parts["idle"][0],
        held_s=parts["held"][0],
        charging_cost=parts["charging"][1],
        idle_cost=parts["idle"][1],
        seen=None,
        runs=msgspec.to_builtins(left),
        suspect=_marked(cost.suspect, CUT_BY_SHARE) if is_shared else cost.suspect,
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


def _word(charging_state: str | None) -> str | None:
    return {"Charging": "charging", "SuspendedEVSE": "held"}.get(charging_state or "")


def _stronger(one: str | None, other: str | None) -> str | None:
    return "charging" if "charging" in (one, other) else one or other


def _drawing(told: Told, since: datetime) -> bool:
    return any(at >= since and power_w > _CHARGING_W for at, power_w in told.powers)


def _with_time(cost: CostState, until: datetime, sort: Sort) -> CostState:
    """Returns a cost with a piece of time; one that nobody can have watched costs nothing."""
    start = cost.counted_until
    if until == start:
        return cost
    if until - start > _LONGEST:
        return msgspec.structs.replace(cost, suspect=_marked(cost.suspect, TIME_GAP))
    seconds = (until - start).total_seconds()
    price = _rounded(_time_cost(terms_of(cost), sort, start, until))
    runs = msgspec.convert(cost.runs, list[Run])
    if runs and runs[-1].sort == sort and runs[-1].end == start:
        runs[-1] = msgspec.structs.replace(runs[-1], end=until, cost=runs[-1].cost + price)
    else:
        runs.append(Run(start, until, sort, price))
    return msgspec.structs.replace(
        cost,
        charging_s=cost.charging_s + (seconds if sort == "charging" else 0.0),
        idle_s=cost.idle_s + (seconds if sort == "idle" else 0.0),
        held_s=cost.held_s + (seconds if sort == "held" else 0.0),
        charging_cost=cost.charging_cost + (price if sort == "charging" else 0),
        idle_cost=cost.idle_cost + (price if sort == "idle" else 0),
        runs=msgspec.to_builtins(runs[-_MOST_RUNS:]),
    )


def _run_until(terms: Terms, run: Run, until: datetime) -> Run:
    """Returns the part of a run before an instant."""
    if run.end <= until:
        return run
    whole = _time_cost(terms, run.sort, run.start, run.end)
    share = _exact((until - run.start).total_seconds()) / _exact(_seconds(run))
    if whole:  # by the prices of then: most of a night may have cost nothing
        share = _time_cost(terms, run.sort, run.start, until) / whole
    return msgspec.structs.replace(run, end=until, cost=_rounded(run.cost * share))


def _time_cost(terms: Terms, sort: Sort, start: datetime, end: datetime) -> Decimal:
    cost = Decimal(0)
    if sort == "held":
        return cost
    for since, until in pieces(terms, start, end):
        prices = prices_at(terms, since)
        per_hour = prices.charging_per_hour if sort == "charging" else prices.idle_per_hour
        cost += per_hour * _exact((until - since).total_seconds()) / 3600
    return cost


def _energy_cost(terms: Terms, start: datetime, end: datetime, drawn_wh: float) -> Decimal:
    whole_s = (end - start).total_seconds()
    if whole_s > _LONGEST.total_seconds():
        # The register is right whatever the clock says; only when it flowed is not known.
        return prices_at(terms, end).energy_per_kwh * _exact(drawn_wh) / 1000
    cost = Decimal(0)
    for since, until in pieces(terms, start, end):
        share = (until - since).total_seconds() / whole_s if whole_s else 1.0
        cost += prices_at(terms, since).energy_per_kwh * _exact(drawn_wh * share) / 1000
    return cost


def _sum_of(runs: list[Run], sort: Sort) -> tuple[float, Decimal]:
    mine = [run for run in runs if run.sort == sort]
    return sum(map(_seconds, mine)), sum((run.cost for run in mine), Decimal(0))


def _seconds(run: Run) -> float:
    return (run.end - run.start).total_seconds()


def _marked(suspect: list[Any], mark: str) -> list[Any]:
    return suspect if mark in suspect else [*suspect, mark]


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(_NANO, context=_WIDE)


def _exact(value: float) -> Decimal:
    return Decimal(repr(round(value, 6)))


def _coin(currency: str) -> Decimal:
    if currency in _NO_COINS:
        return Decimal(1)
    return Decimal("0.001") if currency in _THOUSANDTHS else Decimal("0.01")
