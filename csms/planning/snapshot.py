"""From rows to a planning problem: what the house knows now, in the words of the scheduler.

The mapping is where knowledge that the scheduler does not need ends: late cars become cars that
come later, boxes that ignore limits become load that can't be moved, cars that nobody plugged in
become cars that can't charge. EVSEs are called `IDENTITY/EVSE`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, cast

import numpy as np
import numpy.typing as npt

from csms.booking.rules import LATE_BY
from csms.energy.prices import common_currency, step_prices
from csms.planning.boxes import (
    Boxes,
    Series,
    evse_name,
    is_unheard,
    least_power_w,
    look_at_boxes,
)
from csms.planning.elsewhere import dealt_by_need, with_shares
from csms.planning.equipment import LeftOut, equipped, left_out, taper_wh
from csms.planning.lowered import under_grid_limits
from csms.planning.outside import Outside, look_outside, merged
from csms.planning.queries import Rows
from csms.planning.staffed import brought_by_staff, moved_by_staff, was_forgotten, with_staff
from csms.planning.urgency import read_promises
from csms.stations.rules import rated_power_w
from models.tables.booking import Booking as BookingRow
from models.tables.charging import ChargingLimit, Transaction
from models.tables.energy import Forecast
from models.tables.energy import Site as SiteRow
from models.tables.fleet import Vehicle as VehicleRow
from models.tables.fleet import VehicleModel
from models.tables.planning import Override as OverrideRow
from models.tables.stations import Evse as EvseRow
from models.timeline import StepGrid, floor_to_step
from scheduler.overrides import Override, OverrideKind
from scheduler.problem import Circuit, Evse, Problem, Site, Vehicle

STEP_MINUTES = 15
STEPS = 192
HORIZON = timedelta(minutes=STEP_MINUTES * STEPS)
BOUGHT_SHARE = 0.97
"""What of the price of the cheapest import energy in a car is worth: less, so that none is bought
for its worth alone."""
TRIED_AGAIN_AFTER = timedelta(minutes=30)
"""A box that broke a limit so long ago is sent another: many lose one and keep the next. Its
circuits bear its full power all the same (`csms.planning.boxes`)."""
METERED_FRESH_FOR = timedelta(minutes=15)
"""Power that was metered longer ago says nothing of what a car draws now."""
Quantile = Literal["q10_w", "q50_w", "q90_w"]
QUANTILES: tuple[Quantile, Quantile] = ("q50_w", "q90_w")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A problem, and what it takes to turn its plan into limits."""

    now: datetime
    problem: Problem
    transactions: Mapping[str, Transaction]
    """The open transaction of each vehicle."""
    limits: Mapping[str, ChargingLimit]
    """The newest limit that may be in the box, by EVSE (`IDENTITY/EVSE`)."""
    lying: frozenset[str]
    """EVSEs that no limit holds: caught just now not keeping that of their present transaction, or
    let go first by its priority."""
    forecast_source: str
    rows: Rows
    left_out: Sequence[LeftOut] = ()
    """What of the sites the problem does not reckon with."""
    document: str = ""
    """The problem as it is stored; empty: not written yet."""


def snapshot_of(rows: Rows, now: datetime) -> Snapshot:
    """Returns the planning problem that `rows` mean at `now`."""
    grid = StepGrid(floor_to_step(now, STEP_MINUTES), STEP_MINUTES, STEPS)
    limits = {evse_name(limit): limit for limit in rows.limits}
    open_at = {evse_name(each): each for each in rows.transactions}
    lying = frozenset(name for name, each in open_at.items() if each.priority_charging)
    lying |= frozenset(
        name
        for name, limit in limits.items()
        if limit.state == "disobeyed"
        and (limit.settled_at is None or now - limit.settled_at < TRIED_AGAIN_AFTER)
        and name in open_at
        and open_at[name].ocpp_transaction_id == limit.ocpp_transaction_id
    )
    boxes = look_at_boxes(rows, grid, now, lying=lying, limits=limits)
    metered_w = {
        name: each.power_w
        for name, each in open_at.items()
        if each.power_w is not None
        and each.last_reading_at is not None
        and now - each.last_reading_at <= METERED_FRESH_FOR
        and _is_of_now(each, rows)
    }
    unheard = frozenset(
        name
        for name, each in open_at.items()
        if (station := rows.stations.get(each.station)) is not None and is_unheard(station)
    )
    vehicles, uncontrolled_w, perhaps_w = _vehicles(
        rows, grid, now, lying, unheard, metered_w=metered_w, first_w=_first_w(rows, open_at)
    )
    outside = look_outside(rows, grid, now, boxes)
    bare = [
        _site(
            site,
            rows,
            grid,
            boxes,
            outside=outside,
            uncontrolled_w=uncontrolled_w.get(site.id),
            perhaps_w=perhaps_w.get(site.id, 0.0),
        )
        for site in rows.sites
    ]
    owned = equipped(dealt_by_need(bare, vehicles, rows, grid), rows, boxes, now=now, grid=grid)
    sites = with_staff(with_shares(owned, rows), rows, grid)
    vehicles = _without_double_plugs(vehicles, {e.id: s.id for s in sites for e in s.evses})
    evses = {evse.id: evse for site in sites for evse in site.evses}
    brought = brought_by_staff(vehicles, sites, rows, grid, now)
    margins = rows.caution.margins
    promises = read_promises(rows.bookings, grid, now, vehicles, evses, margins, brought)
    problem = Problem(
        start=grid.start,
        step_minutes=STEP_MINUTES,
        steps=STEPS,
        sites=sites,
        vehicles=_asked(moved_by_staff(promises.vehicles, rows, now), rows.overrides, grid),
        bookings=promises.bookings,
        terminal_value_per_kwh=_terminal_value(sites, vehicles),
        turnaround_steps=promises.turnaround_steps,
        currency=common_currency(rows.prices),
    )
    return Snapshot(
        now=now,
        problem=problem,
        transactions={each.vehicle_id: each for each in rows.transactions if each.vehicle_id},
        limits=limits,
        lying=lying,
        forecast_source=_forecast_source(rows.forecasts),
        rows=rows,
        left_out=left_out(rows, grid, now),
    )


def _asked(
    cars: Sequence[Vehicle], overrides: Sequence[OverrideRow], grid: StepGrid
) -> tuple[Vehicle, ...]:
    return tuple(_overridden(car, overrides, grid) for car in cars)


def _overridden(car: Vehicle, rows: Sequence[OverrideRow], grid: StepGrid) -> Vehicle:
    """Returns a car with its override; the step in which that ends is still under it."""
    wanted = tuple(
        Override(
            0,
            max(1, grid.ceil(row.until)),
            cast("OverrideKind", row.kind),
            row.power_w,
        )
        for row in rows
        if row.vehicle_id == car.id
    )
    return replace(car, overrides=wanted) if wanted else car


def _site(
    site: SiteRow,
    rows: Rows,
    grid: StepGrid,
    boxes: Boxes,
    *,
    outside: Outside,
    uncontrolled_w: Series | None,
    perhaps_w: float,
) -> Site:
    suns = rows.forecasts.get((site.id, "pv"), ())
    pv_w, high_w = (_forecast_series(suns, grid, name) for name in QUANTILES)
    load_w = _forecast_series(rows.forecasts.get((site.id, "load"), ()), grid)
    if uncontrolled_w is not None:
        load_w = load_w + uncontrolled_w
    prices = step_prices([each for each in rows.prices if each.site_id == site.id], grid)
    circuits = [each for each in rows.circuits if each.site_id == site.id]
    parents = {each.id: each.parent for each in circuits}
    evses = [each for each in rows.evses if rows.stations[each.station].site_id == site.id]
    planned = Site(
        id=site.id,
        import_limit_w=max(0.0, site.import_limit_w - perhaps_w),
        export_limit_w=site.export_limit_w,
        pv_power_w=_floats(pv_w),
        pv_high_power_w=_floats(np.maximum(high_w, pv_w)),
        load_power_w=_floats(load_w),
        import_price_per_kwh=_floats(prices.import_price_per_kwh),
        export_price_per_kwh=_floats(prices.export_price_per_kwh),
        import_co2_g_per_kwh=_floats(prices.import_co2_g_per_kwh),
        circuits=(
            *(
                Circuit(each.id, each.parent, boxes.left_w(each, evses, parents))
                for each in circuits
            ),
            *(
                outside.circuits[name]
                for name in sorted({e.station for e in evses} & set(outside.circuits))
            ),
        ),
        evses=tuple(_evse(evse, boxes, outside) for evse in evses),
    )
    grid_limits = [each for each in rows.grid_limits if each.site_id == site.id]
    if not grid_limits:
        return planned
    return under_grid_limits(
        planned,
        grid_limits,
        grid,
        boxes,
        circuits=circuits,
        evses=evses,
        alone_w=alone_w(rows.forecasts, site, grid),
    )


def alone_w(
    forecasts: Mapping[tuple[str, str], Sequence[Forecast]], site: SiteRow, grid: StepGrid
) -> Series:
    """Returns what a site draws without its cars, by step, where that turns out rather high.

    Its part of a shared plant comes over the grid, too.
    """
    site_id = site.id
    load_w = _forecast_series(forecasts.get((site_id, "load"), ()), grid, "q90_w")
    if site.shared_plant_id is not None:
        return load_w
    return load_w - _forecast_series(forecasts.get((site_id, "pv"), ()), grid, "q10_w")


def _evse(evse: EvseRow, boxes: Boxes, outside: Outside) -> Evse:
    name = evse_name(evse)
    max_power_w = rated_power_w(evse.max_power_w, evse.phases)
    max_power_w = min(max_power_w, outside.allowed_w.get(name, max_power_w))
    return Evse(
        id=name,
        circuit=outside.circuit_of(evse, boxes.circuit_of(evse)),
        max_power_w=max_power_w,
        min_power_w=min(least_power_w(evse), max_power_w),
        current_type="DC" if evse.current_type == "DC" else "AC",
        unavailable=merged((*boxes.unavailable.get(name, ()), *outside.closed.get(name, ()))),
    )


def _is_of_now(transaction: Transaction, rows: Rows) -> bool:
    """Returns whether a transaction was metered after it went first, where it does."""
    first, read_at = rows.first.get(transaction.id), transaction.last_reading_at
    return (
        first is None or first.told_at is None or (read_at is not None and read_at > first.told_at)
    )


def _first_w(rows: Rows, open_at: Mapping[str, Transaction]) -> dict[str, tuple[float, bool]]:
    """Returns what may flow where a transaction goes first, in W, and whether that is DC."""
    found: dict[str, tuple[float, bool]] = {}
    for evse in rows.evses:
        transaction = open_at.get(evse_name(evse))
        first = None if transaction is None else rows.first.get(transaction.id)
        if first is not None:
            power_w = rated_power_w(evse.max_power_w, evse.phases)
            if first.limit_w is not None:
                # What an EVSE gives is often not known, and then no bound to what was ordered.
                known_w = first.limit_w if evse.max_power_w is None else evse.max_power_w
                power_w = min(first.limit_w, known_w)
            found[evse_name(evse)] = (power_w, evse.current_type == "DC")
    return found


def _flows_w(
    vehicle: Vehicle, metered_w: float | None, first_w: tuple[float, bool] | None
) -> float:
    """Returns what a car draws that no limit holds, in W.

    What was metered before it went first was held by a limit: until more is known it draws what it
    and its EVSE can.
    """
    if metered_w is not None:
        return metered_w
    if first_w is None:
        return vehicle.max_ac_power_w
    evse_w, is_dc = first_w
    return min(evse_w, vehicle.max_dc_power_w if is_dc else vehicle.max_ac_power_w)


def _vehicles(
    rows: Rows,
    grid: StepGrid,
    now: datetime,
    lying: frozenset[str],
    unheard: frozenset[str],
    *,
    metered_w: Mapping[str, float],
    first_w: Mapping[str, tuple[float, bool]],
) -> tuple[tuple[Vehicle, ...], dict[str, Series], dict[str, float]]:
    """Returns the cars as the plan sees them, and the load of those that no limit holds.

    Last comes, by site, what may flow there too: a box that can't be heard may be dead as well as
    alone. Counted as load that took the sun of a roof for hours, though nothing flowed.
    """
    on_the_road = {
        each.vehicle_id: each for each in rows.bookings if each.status in ("active", "late")
    }
    next_start: dict[str, datetime] = {}
    for booking in rows.bookings:
        if booking.vehicle_id and booking.status in ("confirmed", "at_risk"):
            next_start.setdefault(booking.vehicle_id, booking.start)
    vehicles: list[Vehicle] = []
    uncontrolled_w: dict[str, Series] = {}
    perhaps_w: dict[str, float] = {}
    for vehicle, model in rows.vehicles:
        factor = rows.caution.straying.expected_factor(vehicle.id)
        wh_per_km = model.consumption_wh_per_km * factor
        trip = on_the_road.get(vehicle.id)
        planned = _vehicle(vehicle, model, trip, grid, now, wh_per_km=wh_per_km)
        power_w = metered_w.get(planned.evse or "")
        if power_w is not None and planned.evse not in lying:
            planned = _as_the_step_began(planned, power_w, now - grid.start)
        if planned.evse in lying:
            leaves = next_start.get(vehicle.id, grid.end)
            flows_w = _flows_w(planned, power_w, first_w.get(planned.evse or ""))
            if planned.evse in unheard:
                perhaps_w[planned.site] = perhaps_w.get(planned.site, 0.0) + flows_w
            else:
                planned, load_w = _as_uncontrolled(planned, grid, leaves, flows_w)
                total_w = uncontrolled_w.setdefault(planned.site, np.zeros(grid.steps))
                total_w += load_w
        vehicles.append(planned)
    return tuple(vehicles), uncontrolled_w, perhaps_w


def _vehicle(
    vehicle: VehicleRow,
    model: VehicleModel,
    trip: BookingRow | None,
    grid: StepGrid,
    now: datetime,
    *,
    wh_per_km: float,
) -> Vehicle:
    capacity_wh = model.battery_capacity_wh
    soc_pct = 30.0 if vehicle.soc_pct is None else vehicle.soc_pct
    soc_wh = min(capacity_wh, capacity_wh * soc_pct / 100)
    site, evse, available_from = vehicle.at_site_id or vehicle.site_id, vehicle.plugged_evse, 0
    max_ac_power_w, max_dc_power_w = model.max_ac_power_w, model.max_dc_power_w
    if trip is not None:
        back_at = trip.end if trip.end > now else now + LATE_BY
        site, evse = trip.dropoff_site_id, None
        available_from = max(1, grid.ceil(back_at))
        soc_wh = max(0.0, soc_wh - trip.distance_km * wh_per_km)
    elif evse is None and was_forgotten(vehicle, now):
        max_ac_power_w = max_dc_power_w = 0.0
    return Vehicle(
        id=vehicle.id,
        vehicle_class=model.vehicle_class,
        site=site,
        evse=evse,
        available_from=available_from,
        soc_wh=soc_wh,
        capacity_wh=capacity_wh,
        min_soc_wh=capacity_wh * model.min_soc_pct / 100,
        max_soc_wh=capacity_wh,
        max_ac_power_w=max_ac_power_w,
        max_dc_power_w=max_dc_power_w,
        consumption_wh_per_km=wh_per_km,
        charge_efficiency=model.charge_efficiency,
        ac_phases=model.ac_phases,
        taper=taper_wh(model),
    )


def _as_the_step_began(vehicle: Vehicle, power_w: float, since: timedelta) -> Vehicle:
    """Takes off what has flowed since the first step began: the plan counts it as a whole step.

    Without that a car that goes on charging would seem to get up to a step's energy twice, and a
    promise that is just kept would turn out to be broken when the step is over.
    """
    gained_wh = power_w * (since / timedelta(hours=1)) * vehicle.charge_efficiency
    return replace(vehicle, soc_wh=max(0.0, vehicle.soc_wh - gained_wh))


def _as_uncontrolled(
    vehicle: Vehicle, grid: StepGrid, leaves: datetime, power_w: float
) -> tuple[Vehicle, Series]:
    """A car on a box that ignores limits charges on as it does until it is full or leaves.

    Its power becomes load, and the plan reckons with the charge it will have by then.
    """
    need_wh = max(0.0, vehicle.max_soc_wh - vehicle.soc_wh) / vehicle.charge_efficiency
    steps_left = max(0, min(grid.steps, grid.floor(leaves)))
    steps = min(float(steps_left), need_wh / (power_w * grid.hours)) if power_w > 0 else 0.0
    load_w = np.zeros(grid.steps)
    whole = int(steps)
    load_w[:whole] = power_w
    if whole < grid.steps:
        load_w[whole] = (steps - whole) * power_w
    gained_wh = steps * power_w * grid.hours * vehicle.charge_efficiency
    held_wh = max(vehicle.soc_wh, min(vehicle.max_soc_wh, vehicle.soc_wh + gained_wh))
    return replace(vehicle, soc_wh=held_wh), load_w


def _without_double_plugs(
    vehicles: Sequence[Vehicle], evse_sites: Mapping[str, str]
) -> tuple[Vehicle, ...]:
    """Drops plugs that can't be true: at another site, unknown, or held by an earlier car."""
    taken: set[str] = set()
    kept: list[Vehicle] = []
    for vehicle in vehicles:
        evse = vehicle.evse
        if evse is not None and (evse_sites.get(evse) != vehicle.site or evse in taken):
            evse = None
        if evse is not None:
            taken.add(evse)
        kept.append(vehicle if evse == vehicle.evse else replace(vehicle, evse=evse))
    return tuple(kept)


def _floats(series: Series) -> tuple[float, ...]:
    return tuple(series.tolist())


def _forecast_series(
    forecasts: Sequence[Forecast], grid: StepGrid, quantile: Quantile = "q50_w"
) -> Series:
    """A quantile on the grid, usually the median: of each step the first forecast that has it.

    Beyond the end of all of them the last day of the last one is taken again.
    """
    series = np.full(grid.steps, np.nan)
    for forecast in forecasts:
        series = np.where(np.isnan(series), _on_grid(forecast, grid, quantile), series)
    if forecasts and np.isnan(series[-1]):
        series = np.where(np.isnan(series), _repeated(forecasts[-1], grid, quantile), series)
    return np.nan_to_num(series)


def _on_grid(forecast: Forecast, grid: StepGrid, quantile: Quantile) -> Series:
    """A quantile on the grid; not a number where the forecast says nothing."""
    index = _index_of(forecast, grid)
    values = np.asarray(getattr(forecast, quantile), dtype=np.float64)
    inside = (index >= 0) & (index < len(values))
    return np.where(inside, values[np.clip(index, 0, len(values) - 1)], np.nan)


def _repeated(forecast: Forecast, grid: StepGrid, quantile: Quantile) -> Series:
    """The last day of a forecast, again and again beyond its end; before its start nothing."""
    index = _index_of(forecast, grid)
    values = np.asarray(getattr(forecast, quantile), dtype=np.float64)
    day = min(len(values), max(1, 24 * 60 // forecast.step_minutes))
    again = len(values) - day + (index - len(values)) % day
    return np.where(index < len(values), np.nan, values[again])


def _index_of(forecast: Forecast, grid: StepGrid) -> npt.NDArray[np.int64]:
    offset_minutes = (grid.start - forecast.start).total_seconds() / 60
    minutes = offset_minutes + grid.step_minutes * np.arange(grid.steps)
    return np.floor(minutes / forecast.step_minutes).astype(np.int64)


def _terminal_value(sites: Sequence[Site], vehicles: Sequence[Vehicle]) -> float:
    """Worth of a kWh left in a car: a little less than the cheapest import would put there.

    Most trips are booked some hours before: a plan does not see what the energy will be for. So it
    is worth what it would cost to buy it later. Above that cars would fill at night and leave no
    room for the sun (measured: utilisation fell from 0.87 to 0.66); at what export pays they would
    be left empty, and sun that is not sure be left to the grid.
    """
    if not sites:
        return 0.0
    cheapest = min(min(site.import_price_per_kwh) for site in sites)
    export = float(np.mean([np.mean(site.export_price_per_kwh) for site in sites]))
    if cheapest <= export:
        return max(0.0, export)
    efficiency = max((car.charge_efficiency for car in vehicles), default=1.0)
    return max(0.0, round(BOUGHT_SHARE * cheapest / efficiency, 4))


def _forecast_source(forecasts: Mapping[tuple[str, str], Sequence[Forecast]]) -> str:
    used = {each.source for (_, kind), rows in forecasts.items() if kind == "pv" for each in rows}
    return ", ".join(sorted(used)) or "none"
