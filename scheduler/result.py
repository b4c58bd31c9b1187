"""From decisions to a `Plan`: states of charge, site flows, cost, key figures, entries.

Everything is worked out anew from the chains, the stays and the powers, so that a plan says what it
does and not what a solver thought it did.
"""

# numpy and scipy know less of their results than a strict reader wants.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.chains import Chains
from scheduler.grid import co2_g, grid_cost, peak_cost, sun_used
from scheduler.moving import Move, begins, moves_cost, planned_moves, with_moves
from scheduler.parking import Stay
from scheduler.plan import (
    Assignment,
    Charging,
    FlexiblePower,
    Kpis,
    Plan,
    SitePower,
    Status,
    Unserved,
)
from scheduler.plan import Stay as PlannedStay
from scheduler.reasons import Flows, Reasons
from scheduler.view import Floats, Place, View

OPTIMAL_WITHIN = 0.005
"""A plan is `optimal` when its cost is within this share of the lower bound."""
_SAME_W = 0.05
_SAME_TAPERED_W = 1e-3
"""Each step's power hangs on the energy so far, so less is evened out."""
_SMALLEST_W = 1e-3


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided: which trips, which EVSEs, which powers."""

    chains: Chains
    stays: Sequence[Stay]
    powers_w: Sequence[Floats]
    """By stay: power in each of its steps."""
    battery_w: Floats
    """By site and step."""
    flexible_w: Floats | None = None
    """By flexible load and step; None: as they run by themselves."""
    moves: tuple[Move, ...] = ()
    """By staff: to `stays` these are trips after those of the problem."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a decision comes to."""

    grid_w: Floats
    pv_used_w: Floats
    cars_w: Floats
    charged_w: Floats
    departs_wh: dict[int, float]
    """By trip: with what its car departs."""
    ends_wh: Floats
    """By stay: with what the car ends it."""
    energy_cost: float
    cost: float


def outcome(view: View, decision: Decision) -> Outcome:
    """Returns the flows, states and cost of a decision."""
    view = with_moves(view, decision.moves)
    shape = (len(view.places), view.steps)
    cars_w, charged_w = np.zeros(shape), np.zeros(shape)
    departs: dict[int, float] = {}
    ends = np.zeros(len(decision.stays))
    soc = 0.0
    left_wh = 0.0
    for n, (stay, power) in enumerate(zip(decision.stays, decision.powers_w, strict=True)):
        car = view.cars[stay.car]
        if stay.before < 0:
            soc = car.soc_wh
        else:
            soc -= view.trips[stay.before].drive_wh(car)
        if stay.post >= 0 and len(power):
            cars_w[stay.site, stay.start : stay.end] += power
            charged_w[stay.site, stay.start : stay.end] += np.maximum(power, 0.0)
            stored = np.where(power > 0, power * car.efficiency, power / car.efficiency)
            soc += float(stored.sum()) * view.hours
        ends[n] = soc
        if stay.after >= 0:
            departs[stay.after] = soc
        else:
            left_wh += soc
    left_wh += sum(
        _battery_end(place, decision.battery_w[place.index], view.hours) for place in view.places
    )
    grid, used = np.zeros(shape), np.zeros(shape)
    shift_w = view.shift_w(decision.flexible_w)
    for place in view.places:
        demand = place.load_w + cars_w[place.index] + decision.battery_w[place.index]
        demand += shift_w[place.index]
        import_w = _import_w(view, decision, place, cars_w[place.index])
        used[place.index] = sun_used(place, demand, import_w)
        grid[place.index] = demand - used[place.index]
    bought = sum(grid_cost(place, grid[place.index], view.hours) for place in view.places)
    peaks = sum(peak_cost(place, grid[place.index]) for place in view.places)
    worth = view.problem.terminal_value_per_kwh * left_wh / 1000
    cost = float(bought + peaks - worth) + moves_cost(view, decision.moves)
    return Outcome(grid, used, cars_w, charged_w, departs, ends, float(bought), cost)


def _import_w(view: View, decision: Decision, place: Place, cars_w: Floats) -> Floats:
    """Returns what a site may import; with limits on phases, as the fullest one allows."""
    import_w = place.import_w
    for limit, most_w in zip(place.grid_phases, place.phase_import_w, strict=True):
        on_phase_w = np.zeros(view.steps)
        for stay, power_w in zip(decision.stays, decision.powers_w, strict=True):
            if stay.post >= 0 and stay.site == place.index:
                loads = dict(view.posts[stay.post].loads(view.cars[stay.car]))
                on_phase_w[stay.start : stay.end] += loads.get(limit.number, 0.0) * power_w
        # Cars aside, each phase carries a third.
        import_w = np.minimum(import_w, cars_w + 3 * (most_w - on_phase_w))
    return import_w


def cost_without_cars(view: View, decision: Decision) -> float:
    """Returns what energy would cost if no car charged: site batteries as planned."""
    cost = 0.0
    for place in view.places:
        demand = place.load_w + decision.battery_w[place.index]
        cost += grid_cost(place, demand - sun_used(place, demand), view.hours)
    return cost


def _battery_end(place: Place, battery_w: Floats, hours: float) -> float:
    if place.battery is None:
        return 0.0
    efficiency = place.battery.efficiency
    stored = np.where(battery_w > 0, battery_w * efficiency, battery_w / efficiency)
    return place.battery.soc_wh + float(stored.sum()) * hours


def make_result(
    view: View,
    decision: Decision,
    *,
    unserved: Sequence[Unserved],
    lower_bound: float | None,
    solve_seconds: float,
) -> Plan:
    """Returns the plan that a decision amounts to."""
    view = with_moves(view, decision.moves)
    found = outcome(view, decision)
    bound = None if lower_bound is None else min(lower_bound, found.cost)
    assignments = tuple(
        Assignment(view.trips[index].id, car.id, found.departs_wh[index])
        for car, chain in zip(view.cars, decision.chains, strict=True)
        for index in chain
    )
    return Plan(
        status=_status(found.cost, bound, partial=bool(unserved)),
        cost=found.cost,
        lower_bound=bound,
        solve_seconds=solve_seconds,
        assignments=assignments,
        unserved=tuple(unserved),
        stays=tuple(_planned_stays(view, decision.stays)),
        charging=tuple(_entries(view, decision, found)),
        sites=tuple(
            SitePower(
                place.id,
                tuple(found.grid_w[place.index].tolist()),
                tuple(decision.battery_w[place.index].tolist()),
                tuple(found.pv_used_w[place.index].tolist()),
            )
            for place in view.places
        ),
        kpis=_kpis(view, decision, found),
        flexible=tuple(_flexible(view, decision)),
        moves=planned_moves(view, decision.stays, decision.powers_w),
    )


def _flexible(view: View, decision: Decision) -> Iterator[FlexiblePower]:
    for n, each in enumerate(view.flexibles):
        power_w = each.itself_w if decision.flexible_w is None else decision.flexible_w[n]
        yield FlexiblePower(each.id, tuple(power_w.tolist()))


def _status(cost: float, bound: float | None, *, partial: bool) -> Status:
    if partial:
        return "partial"
    near = bound is not None and cost - bound <= OPTIMAL_WITHIN * abs(bound)
    return "optimal" if near else "feasible"


def _planned_stays(view: View, stays: Sequence[Stay]) -> list[PlannedStay]:
    return [
        PlannedStay(
            view.cars[stay.car].id,
            view.places[stay.site].id,
            view.posts[stay.post].id if stay.post >= 0 else None,
            begins(view, stay),
            stay.end,
        )
        for stay in stays
        if begins(view, stay) < stay.end
    ]


def _entries(view: View, decision: Decision, found: Outcome) -> Iterator[Charging]:
    """Yields the charging entries: steps of equal power and reasons run together.

    All stays are looked at together, since most have few steps.
    """
    flows = Flows(found.grid_w, found.pv_used_w, decision.battery_w, found.ends_wh)
    reasons = Reasons(view, decision.stays, decision.powers_w, flows)
    stays = decision.stays
    sizes = [len(power_w) for power_w in decision.powers_w]
    power_w = np.concatenate([*decision.powers_w, np.zeros(0)])
    first = np.cumsum(sizes) - sizes
    held = np.repeat(np.array([stay.post >= 0 for stay in stays], dtype=np.bool_), sizes)
    hot = np.flatnonzero(held & (np.abs(power_w) > _SMALLEST_W))
    if not len(hot):
        return
    number = np.repeat(np.arange(len(sizes)), sizes)[hot]
    at, power_w = hot - first[number], power_w[hot]
    known: dict[tuple[str, ...], int] = {}
    codes: list[int] = []
    bounds = np.flatnonzero(np.diff(number, prepend=-1, append=-1)).tolist()
    for begin, end in itertools.pairwise(bounds):
        found_here = reasons.of(int(number[begin]), at[begin:end].tolist())
        named = [tuple(why.code for why in whys) for whys in found_here]
        codes += [known.setdefault(text, len(known)) for text in named]
    tapered = np.array([bool(view.cars[stay.car].taper) for stay in stays])[number]
    same_w = np.where(tapered, _SAME_TAPERED_W, _SAME_W)[1:]
    breaks = (np.diff(number) != 0) | (np.diff(at) != 1) | (np.diff(codes) != 0)
    breaks |= np.abs(np.diff(power_w)) > same_w
    starts = np.concatenate([[0], np.flatnonzero(breaks) + 1])
    stops = np.concatenate([starts[1:], [len(hot)]])
    means = np.add.reduceat(power_w, starts) / (stops - starts)
    texts = list(known)
    runs = zip(
        number[starts].tolist(),
        at[starts].tolist(),
        at[stops - 1].tolist(),
        means.tolist(),
        starts.tolist(),
        strict=True,
    )
    for n, begin, last, mean_w, where in runs:
        stay = stays[n]
        yield Charging(
            view.cars[stay.car].id,
            view.posts[stay.post].id,
            stay.start + begin,
            stay.start + last + 1,
            mean_w,
            texts[codes[where]],
        )


def _kpis(view: View, decision: Decision, found: Outcome) -> Kpis:
    given = sum(float(place.pv_w.sum()) for place in view.places)
    used = co2 = peaks = co2_cost = 0.0
    shift_w = view.shift_w(decision.flexible_w)
    for place in view.places:
        n = place.index
        wanted = place.load_w + found.charged_w[n] + np.maximum(decision.battery_w[n], 0.0)
        wanted += shift_w[n]
        used += float(np.minimum(found.pv_used_w[n], wanted).sum())
        peaks += peak_cost(place, found.grid_w[n])
        emitted = co2_g(place, found.grid_w[n], view.hours)
        co2 += emitted
        co2_cost += emitted / 1000 * place.co2_price
    return Kpis(
        pv_utilisation=used / given if given > 0 else None,
        energy_cost=found.energy_cost - co2_cost,
        co2_g=co2,
        peak_import_w=max(float(found.grid_w.max(initial=0.0)), 0.0),
        peak_cost=peaks,
        co2_cost=co2_cost,
    )
