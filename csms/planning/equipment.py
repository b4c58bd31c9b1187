"""What sites have besides power, in the words of the scheduler: phases, peaks, CO2, stores.

How an EVSE is wired counts only where phases have limits or cars charge on fewer phases; where
nobody has said it, an EVSE is taken to begin at L1. What boxes do without us is taken off each
phase as it is off each circuit. A battery or store of which nothing fresh is known is left out: the
plan says so, and whoever runs it has no schedule from us.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

from csms.energy.rules import is_fresh
from csms.fleet.rules import taper_of
from csms.planning.boxes import Boxes, evse_name
from csms.planning.queries import Rows
from csms.planning.rules import SENT_AHEAD
from csms.planning.schedules import BATTERY, LOAD, flexible_name
from csms.stations.rules import PHASES, phases_of
from models.tables.energy import BatteryState, FlexibleState
from models.tables.energy import Site as SiteRow
from models.tables.fleet import VehicleModel
from models.tables.stations import Evse as EvseRow
from models.timeline import StepGrid, format_rfc3339
from scheduler.flexible import FlexibleLoad, flexible_errors
from scheduler.problem import Battery, Phase, PhaseLimits, Site

_HOUR = timedelta(hours=1)
_LIMITED = "the grid limits the site for a while"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something of a site that a plan does not reckon with."""

    site_id: str
    what: str
    """`battery`, or `flexible_load` with its id."""
    why: str

    def document(self) -> dict[str, Any]:
        """Returns it as it is stored and shown."""
        return {"site_id": self.site_id, "what": self.what, "why": self.why}


def equipped(
    planned: Iterable[Site], rows: Rows, boxes: Boxes, *, now: datetime, grid: StepGrid
) -> tuple[Site, ...]:
    """Returns the sites of a planning problem with all that they have besides power.

    Args:
        planned: the sites without it, in the order of `rows.sites`.
        rows: what is known.
        boxes: what they do without us.
        now: the present.
        grid: of the plan.
    """
    sites = zip(planned, rows.sites, strict=True)
    return tuple(_equipped(one, site, rows, boxes, now, grid) for one, site in sites)


def _equipped(  # noqa: PLR0917 - what `equipped` is told, of one site
    planned: Site, site: SiteRow, rows: Rows, boxes: Boxes, now: datetime, grid: StepGrid
) -> Site:
    circuits = {each.id: each for each in rows.circuits if each.site_id == site.id}
    parents = {each.id: each.parent for each in circuits.values()}
    evses = [each for each in rows.evses if rows.stations[each.station].site_id == site.id]
    wired = {evse_name(each): _wired(each) for each in evses}
    peak = rows.equipment.peaks.get(site.id)
    return replace(
        planned,
        evses=tuple(replace(each, phases=wired[each.id]) for each in planned.evses),
        circuits=tuple(
            replace(each, phase_limits_w=boxes.phases_left_w(circuits[each.id], evses, parents))
            if each.id in circuits
            else each
            for each in planned.circuits
        ),
        phase_limits_w=_connection_w(site.phase_limits_w, evses, boxes),
        peak_price_per_kw=float(site.peak_price_per_kw),
        peak_so_far_w=0.0 if peak is None else peak.import_w,
        co2_price_per_kg=float(site.co2_price_per_kg),
        flexible_loads=tuple(
            load
            for load, why in _flexible_loads(site, rows, grid=grid, now=now)
            if load is not None and why is None
        ),
        battery=_known_battery(site, rows, grid, now)[0],
    )


def left_out(rows: Rows, grid: StepGrid, now: datetime) -> tuple[LeftOut, ...]:
    """Returns what of the sites can't be planned with at `now`, and why."""
    found: list[LeftOut] = []
    for site in rows.sites:
        for spec, (_, why) in zip(
            site.flexible_loads, _flexible_loads(site, rows, grid=grid, now=now), strict=True
        ):
            if why is not None:
                found.append(LeftOut(site.id, f"{LOAD}{spec['id']}", why))
        why = _known_battery(site, rows, grid, now)[1]
        if why is not None:
            found.append(LeftOut(site.id, BATTERY, why))
    return tuple(found)


def _known_battery(
    site: SiteRow, rows: Rows, grid: StepGrid, now: datetime
) -> tuple[Battery | None, str | None]:
    """Returns the battery of a site as it is planned with, or why it is not."""
    if site.battery is None:
        return None, None
    state = rows.equipment.batteries.get(site.id)
    if state is None:
        return None, "its state of charge was never reported"
    if not is_fresh(state.measured_at, now):
        return None, f"its state of charge is of {format_rfc3339(state.measured_at)}"
    if _is_limited(site, rows, now):
        return None, _LIMITED
    return _battery(site.battery, state, grid.start), None


def _is_limited(site: SiteRow, rows: Rows, now: datetime) -> bool:
    """Returns whether the grid limits a whole site while what a plan tells now is followed.

    Such a limit is kept by the cars alone, and what else draws by a plan would come on top.
    """
    return any(
        each.site_id == site.id and each.circuit_id is None and each.start < now + SENT_AHEAD
        for each in rows.grid_limits
    )


def taper_wh(model: VehicleModel) -> tuple[tuple[float, float], ...]:
    """Returns what the battery of a model takes at most, as points of energy and power."""
    capacity_wh = model.battery_capacity_wh
    return tuple((capacity_wh * (pct / 100), power_w) for pct, power_w in taper_of(model.taper))


def phases_used(rows: Rows, ac_phases: Mapping[str, int]) -> dict[str, int]:
    """Returns on how many phases each open transaction charges, by its id.

    Stations that count in amperes are told of so many: a car with one phase on an EVSE with three
    would else get a third of what the plan gives it.

    Args:
        rows: what is known.
        ac_phases: of each car, by its id.
    """
    evses = {evse_name(each): each for each in rows.evses}
    found: dict[str, int] = {}
    for transaction in rows.transactions:
        evse = evses.get(evse_name(transaction))
        if evse is not None:
            own = (
                len(PHASES)
                if evse.current_type == "DC"
                else ac_phases.get(transaction.vehicle_id or "", len(PHASES))
            )
            found[transaction.id] = min(evse.phases, own)
    return found


def _wired(evse: EvseRow) -> tuple[Phase, ...]:
    return cast("tuple[Phase, ...]", phases_of(evse.phases, evse.wired_to))


def _connection_w(
    limits_w: Sequence[float] | None, evses: Sequence[EvseRow], boxes: Boxes
) -> PhaseLimits | None:
    """Returns what the phases of the connection have left for the building and the plan."""
    if limits_w is None:
        return None
    held_w = boxes.on_phases_w(
        [each for each in evses if evse_name(each) not in boxes.held_whole], boxes.held_w
    )
    left_w = (max(0.0, w - held_w[phase]) for phase, w in zip(PHASES, limits_w, strict=True))
    return cast("PhaseLimits", tuple(left_w))


def _flexible_loads(
    site: SiteRow, rows: Rows, *, grid: StepGrid, now: datetime
) -> list[tuple[FlexibleLoad | None, str | None]]:
    """Returns each load with a store as it can be planned, or why it can't."""
    found: list[tuple[FlexibleLoad | None, str | None]] = []
    for spec in site.flexible_loads:
        state = rows.equipment.loads.get((site.id, spec["id"]))
        if state is None:
            found.append((None, "what its store holds was never reported"))
        elif not is_fresh(state.measured_at, now):
            why = f"what its store holds is of {format_rfc3339(state.measured_at)}"
            found.append((None, why))
        elif _is_limited(site, rows, now):
            found.append((None, _LIMITED))
        else:
            load = _flexible_load(site.id, spec, state, grid)
            wrong = next(flexible_errors(load, "", grid.steps, grid.hours), None)
            if wrong is None:
                found.append((load, None))
            else:
                found.append((None, f"its demand at {_when(wrong.field, grid)} {wrong.detail}"))
    return found


def _when(field: str, grid: StepGrid) -> str:
    """Returns the instant of the step that a field of a series names."""
    return format_rfc3339(grid.instant(int(field.rsplit("/", 1)[-1])))


def _flexible_load(
    site_id: str, spec: Mapping[str, Any], state: FlexibleState, grid: StepGrid
) -> FlexibleLoad:
    """Returns a load with a store as it is when the plan's first step begins."""
    demand_w, day = state.demand_w, 24 * 60 // state.step_minutes
    step = timedelta(minutes=state.step_minutes)
    again = min(day, len(demand_w))
    series: list[float] = []
    for number in range(grid.steps):
        index = max(0, (grid.instant(number) - state.start) // step)
        if index >= len(demand_w):
            index = len(demand_w) - again + (index - len(demand_w)) % again
        series.append(float(demand_w[index]))
    stored_wh = state.stored_wh
    if state.power_w is not None:
        net_w = state.power_w - series[0] - spec["loss_w"]
        stored_wh += net_w * ((grid.start - state.measured_at) / _HOUR)
    return FlexibleLoad(
        id=flexible_name(site_id, spec["id"]),
        max_power_w=spec["max_power_w"],
        store_wh=spec["store_wh"],
        stored_wh=min(max(stored_wh, 0.0), spec["store_wh"]),
        demand_w=tuple(series),
        loss_w=spec["loss_w"],
    )


def _battery(spec: Mapping[str, float], state: BatteryState, start: datetime) -> Battery:
    """Returns a battery as it is when the plan's first step begins.

    That is a few minutes before or after its state was reported; what flowed meanwhile counts.
    """
    flowed_wh = (state.power_w or 0.0) * ((start - state.measured_at) / _HOUR)
    stored_wh = flowed_wh * spec["efficiency"]
    if (state.power_w or 0.0) < 0:
        stored_wh = flowed_wh / spec["efficiency"]
    soc_wh = min(max(state.soc_wh + stored_wh, 0.0), spec["capacity_wh"])
    return Battery(**{**spec, "soc_wh": soc_wh})
