"""Changes of sites, and what is pushed of them: measurements, forecasts, prices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from csms.energy.queries import (
    battery_resource,
    circuits_of,
    flexible_resource,
    forecast_resource,
    grid_powers,
    measurement_resource,
    price_resource,
    show_site,
)
from csms.energy.rules import (
    QUARTER,
    Quarter,
    is_fresh,
    month_after,
    month_of,
    quarter_of,
    quarters,
)
from csms.energy.sources import FETCHED, PUSHED, forecast_of, plants_of
from csms.ledger.work import UnitOfWork
from csms.stations.actions import check_safe_limits, split_circuits
from csms.web.problem import bad_field
from csms.web.rows import (
    add_row,
    change_row,
    check_reference,
    check_references,
    referring,
    remove_row,
)
from models.errors import Conflict, FieldError, NotFound, Reference, StillReferenced
from models.tables.billing import Tariff
from models.tables.energy import (
    BatteryState,
    Circuit,
    FlexibleState,
    Forecast,
    PriceSeries,
    Site,
    SiteMeasurement,
    SitePeak,
)
from models.tables.grid_limits import GridLimit
from models.tables.stations import Evse, Station
from models.timeline import shifted
from scheduler.forecast import QuantileForecast
from scheduler.forecast.quality import doubts_of_course, doubts_of_sun
from scheduler.forecast.sun import Location

MEASURED_AHEAD = timedelta(minutes=5)
"""How far a meter's clock may be ahead of ours."""
_LIMITS = ("import_limit_w", "export_limit_w", "phase_limits_w")
_MEASURED = sa.select(SiteMeasurement).where(
    SiteMeasurement.site_id == sa.bindparam("site"),
    SiteMeasurement.measured_at.in_(sa.bindparam("instants", expanding=True)),
)
_LAST_METERED = sa.select(sa.func.max(SiteMeasurement.measured_at)).where(
    SiteMeasurement.site_id == sa.bindparam("site"), SiteMeasurement.grid_power_w.is_not(None)
)
_METERED_BEFORE = _LAST_METERED.where(SiteMeasurement.measured_at < sa.bindparam("before"))


async def create_site(
    work: UnitOfWork,
    site_id: str | None,
    values: Mapping[str, Any],
    circuits: Sequence[Mapping[str, Any]],
) -> Site:
    """Adds a site.

    Raises:
        BadInput: for circuits that hang on themselves or on nothing, and unknown tariffs.
        Conflict: `already-exists`, `safe-limit`.
    """
    await check_reference(work, Tariff, values["tariff_id"], "/tariff_id")
    row = Site(
        id=site_id or work.ids.new(),
        tenant_id=work.tenant,
        version=1,
        created_at=work.now,
        updated_at=work.now,
        **values,
    )
    await add_row(work, row, row.id)
    await _set_circuits(work, row, circuits)
    await announce_site(work, "site.created", row)
    return row


async def change_site(
    work: UnitOfWork,
    row: Site,
    values: Mapping[str, Any],
    circuits: Sequence[Mapping[str, Any]],
) -> None:
    """Changes a site and has it planned anew; errors as in `create_site`."""
    if row.shared_plant_id is not None and values["pv_plants"]:
        raise bad_field("/pv_plants", f"the site has a part of the plant {row.shared_plant_id}")
    await check_reference(work, Tariff, values["tariff_id"], "/tariff_id")
    before = await _limits(work, row)
    change_row(work, row, values)
    await _set_circuits(work, row, circuits)
    await announce_site(work, "site.updated", row)
    if await _limits(work, row) != before:
        await announce_site(work, "site.limit_changed", row)
    work.request_plan(row.id, "site changed")


async def delete_site(work: UnitOfWork, row: Site) -> None:
    """Removes a site with its measurements, forecasts and prices.

    Raises:
        Conflict: `still-referenced` by a station, car, booking or shared plant.
    """
    if row.shared_plant_id is not None:
        plant = Reference("shared_plant", (row.shared_plant_id,), 1)
        raise StillReferenced("this site", (plant,))
    shown = await show_site(work.session, row)
    await remove_row(work, row)
    work.emit("site.deleted", subject=f"site/{row.id}", resource=shown, site_id=row.id)


def check_measured_at(work: UnitOfWork, measured_at: datetime, field: str) -> None:
    """Lets measurements pass that are not of the future.

    Raises:
        BadInput: naming `field`.
    """
    if measured_at > work.now + MEASURED_AHEAD:
        raise bad_field(field, "lies in the future")


async def store_measurements(
    work: UnitOfWork, site: Site, measurements: Sequence[Mapping[str, Any]]
) -> list[SiteMeasurement]:
    """Keeps what meters said; the same instant again overwrites.

    Raises:
        BadInput: for an instant that has not come yet.
    """
    instants = {values["measured_at"] for values in measurements}
    known = await work.session.scalars(_MEASURED, {"site": site.id, "instants": list(instants)})
    # All at once: asked for one by one, thousands would keep everybody else from writing.
    rows = {row.measured_at: row for row in known}
    kept: list[SiteMeasurement] = []
    for place, values in enumerate(measurements):
        field = f"/{place}/measured_at" if len(measurements) > 1 else "/measured_at"
        check_measured_at(work, values["measured_at"], field)
        said = dict(values)
        if site.shared_plant_id is not None and said.get("pv_power_w") is None:
            said.pop("pv_power_w", None)  # which the plant's meter tells, perhaps of this instant
        row = rows.get(values["measured_at"])
        if row is None:
            row = SiteMeasurement(site_id=site.id)
            work.session.add(row)
            rows[values["measured_at"]] = row
        for name, value in said.items():
            setattr(row, name, value)
        row.received_at = work.now
        kept.append(row)
    if kept:
        metered = [row.measured_at for row in kept if row.grid_power_w is not None]
        await _count_peaks(work, site, metered)
        newest = max(kept, key=lambda row: row.measured_at)
        resource = measurement_resource(newest)
        work.emit("site.measured", subject=f"site/{site.id}", resource=resource, site_id=site.id)
    return kept


async def _count_peaks(work: UnitOfWork, site: Site, measured: Sequence[datetime]) -> None:
    """Counts anew the quarters that were measured, and keeps the largest of each month."""
    if not measured:
        return
    await work.take_turn(f"peaks of {site.id}")
    await work.session.flush()
    until = await work.session.scalar(_LAST_METERED, {"site": site.id})
    before = await work.session.scalar(_METERED_BEFORE, {"site": site.id, "before": min(measured)})
    first, last = quarter_of(before or min(measured)), quarter_of(max(measured)) + QUARTER
    assert until is not None, "what was measured just now is there"
    seen = quarters(await grid_powers(work.session, site.id, first, last), until)
    by_month: dict[datetime, list[Quarter]] = defaultdict(list)
    for each in seen:
        by_month[month_of(each.start, site.timezone)].append(each)
    for month, counted in by_month.items():
        found = counted
        row = await work.session.get(SitePeak, (site.id, month))
        if row is not None and any(
            each.start == row.start and each.import_w < row.import_w for each in found
        ):
            # What was the peak has been put right: any other quarter may be it now.
            end = month_after(month, site.timezone)
            found = quarters(await grid_powers(work.session, site.id, month, end), until)
            row.import_w = 0.0
        peak = max(found, key=lambda each: each.import_w)
        if row is None:
            row = SitePeak(site_id=site.id, month=month, import_w=-1.0)
            work.session.add(row)
        if peak.import_w > row.import_w:
            row.import_w, row.start, row.updated_at = peak.import_w, peak.start, work.now


async def store_battery_state(
    work: UnitOfWork, site: Site, values: Mapping[str, Any]
) -> BatteryState:
    """Keeps what was reported of a site's battery, unless something newer is known.

    A battery that was not planned because nothing fresh was known of it is planned at once.

    Raises:
        BadInput: for an instant that has not come yet, and more energy than the battery holds.
        Conflict: `no-battery`.
    """
    if site.battery is None:
        raise Conflict(f"the site {site.id} has no battery", code="no-battery")
    if values["measured_at"] > work.now + MEASURED_AHEAD:
        raise bad_field("/measured_at", "lies in the future")
    if values["soc_wh"] > site.battery["capacity_wh"]:
        raise bad_field("/soc_wh", f"is above capacity_wh, {site.battery['capacity_wh']:g}")
    row = await work.session.get(BatteryState, site.id, with_for_update=True)
    if row is not None and values["measured_at"] < row.measured_at:
        return row
    was_fresh = row is not None and is_fresh(row.measured_at, work.now)
    row = await work.session.merge(BatteryState(site_id=site.id, received_at=work.now, **values))
    resource = battery_resource(row, work.now)
    work.emit("battery.reported", subject=f"site/{site.id}", resource=resource, site_id=site.id)
    if not was_fresh:
        work.request_plan(site.id, "battery reported")
    return row


async def store_flexible_state(
    work: UnitOfWork, site: Site, load_id: str, values: Mapping[str, Any]
) -> FlexibleState:
    """Keeps what was reported of a load with a store, unless something newer is known.

    One that was not planned because nothing fresh was known of it is planned at once.

    Raises:
        BadInput: for an instant that has not come yet, and more energy than the store holds.
        NotFound: if the site has no such load.
    """
    load = load_of(site, load_id)
    if values["measured_at"] > work.now + MEASURED_AHEAD:
        raise bad_field("/measured_at", "lies in the future")
    if values["stored_wh"] > load["store_wh"]:
        raise bad_field("/stored_wh", f"is above store_wh, {load['store_wh']:g}")
    row = await work.session.get(FlexibleState, (site.id, load_id), with_for_update=True)
    if row is not None and values["measured_at"] < row.measured_at:
        return row
    was_fresh = row is not None and is_fresh(row.measured_at, work.now)
    row = await work.session.merge(
        FlexibleState(site_id=site.id, load_id=load_id, received_at=work.now, **values)
    )
    subject = f"site/{site.id}/flexible-load/{load_id}"
    resource = flexible_resource(row, work.now)
    work.emit("flexible_load.reported", subject=subject, resource=resource, site_id=site.id)
    if not was_fresh:
        work.request_plan(site.id, "flexible load reported")
    return row


def load_of(site: Site, load_id: str) -> Mapping[str, Any]:
    """Returns a load with a store as the record of its site has it.

    Raises:
        NotFound: if there is none of that id.
    """
    for load in site.flexible_loads:
        if load["id"] == load_id:
            return load
    raise NotFound(f"the site {site.id} has no flexible load {load_id}")


async def store_forecast(
    work: UnitOfWork, site: Site, kind: Literal["pv", "load"], values: Mapping[str, Any]
) -> Forecast:
    """Keeps what somebody else forecasts, pushed or fetched; it counts while fresh and believed.

    Raises:
        BadInput: for an issue that has not come yet.
    """
    _check_issued(work, values)
    row = Forecast(id=work.ids.new(), site_id=site.id, kind=kind, **values)
    told = forecast_of(row)
    doubts = list(doubts_of_course(told, await _told_before(work, row)))
    if kind == "pv" and (site.pv_plants or site.shared_roofs):
        place = Location(site.latitude, site.longitude)
        doubts += doubts_of_sun(told, place, plants_of(site))
    row.doubts = [{"code": each.code, "detail": each.detail} for each in doubts]
    work.session.add(row)
    resource = forecast_resource(row)
    how = PUSHED if row.source.startswith(PUSHED) else FETCHED
    work.emit(f"forecast.{how}", subject=f"forecast/{row.id}", resource=resource, site_id=site.id)
    work.request_plan(site.id, f"{kind} forecast {how}")
    return row


async def _told_before(work: UnitOfWork, row: Forecast) -> QuantileForecast | None:
    """What the same source said last."""
    before = await work.session.scalar(
        sa.select(Forecast)
        .where(Forecast.site_id == row.site_id, Forecast.kind == row.kind)
        .where(Forecast.source == row.source, Forecast.issued_at <= row.issued_at)
        .order_by(Forecast.issued_at.desc(), Forecast.id.desc())
        .limit(1)
    )
    return None if before is None else forecast_of(before)


async def store_prices(work: UnitOfWork, site: Site, values: Mapping[str, Any]) -> PriceSeries:
    """Keeps a series of prices; where series overlap, the one issued last that is believed holds.

    Raises:
        BadInput: for an issue that has not come yet.
    """
    _check_issued(work, values)
    length_s = 60.0 * values["step_minutes"] * len(values["import_price_per_kwh"])
    ends_at = shifted(values["start"], length_s)
    row = PriceSeries(id=work.ids.new(), site_id=site.id, ends_at=ends_at, **values)
    work.session.add(row)
    resource = price_resource(row)
    subject = f"prices/{row.id}"
    work.emit("prices.pushed", subject=subject, resource=resource, site_id=site.id)
    if resource["doubts"]:
        work.emit("prices.doubted", subject=subject, resource=resource, site_id=site.id)
    work.request_plan(site.id, "prices pushed")
    return row


async def delete_prices(work: UnitOfWork, row: PriceSeries) -> None:
    """Takes a series back, as if it had never been pushed: those before it hold again."""
    resource = price_resource(row)
    work.emit("prices.deleted", subject=f"prices/{row.id}", resource=resource, site_id=row.site_id)
    work.request_plan(row.site_id, "prices deleted")
    await work.session.delete(row)


def _check_issued(work: UnitOfWork, values: Mapping[str, Any]) -> None:
    """Refuses what would hold before all that is issued until its time has come."""
    if values["issued_at"] > work.now + MEASURED_AHEAD:
        raise bad_field("/issued_at", "lies in the future")


async def _limits(work: UnitOfWork, row: Site) -> tuple[Any, ...]:
    circuits = (await circuits_of(work.session, [row.id]))[row.id]
    fuses = tuple(
        (each.id, each.parent, each.limit_w, each.unmanaged_load_w, each.phase_limits_w)
        for each in circuits
    )
    return (*(getattr(row, name) for name in _LIMITS), fuses)


async def announce_site(work: UnitOfWork, event: str, row: Site) -> None:
    """Says what became true of a site, with the whole site."""
    resource = await show_site(work.session, row)
    work.emit(event, subject=f"site/{row.id}", resource=resource, site_id=row.id)


async def _check_unused(session: AsyncSession, row: Site, wanted: Collection[str]) -> None:
    """Lets circuits go that feed no EVSE, and that no limit of the grid is about.

    Raises:
        StillReferenced: of the first that does.
    """
    here = Evse.station.in_(sa.select(Station.identity).where(Station.site_id == row.id))
    of_it = (GridLimit.site_id == row.id, GridLimit.ended_at.is_(None))
    used = set(await session.scalars(sa.select(Evse.circuit_id).where(here)))
    used |= set(await session.scalars(sa.select(GridLimit.circuit_id).where(*of_it)))
    for name in sorted(each for each in used if each is not None and each not in wanted):
        evse = Evse.station + "/" + sa.cast(Evse.evse_id, sa.Text)
        feeds = await referring(session, "evse", evse, here, Evse.circuit_id == name)
        limits = await referring(
            session, "grid_limit", GridLimit.id, *of_it, GridLimit.circuit_id == name
        )
        detail = FieldError("/circuits", f"the circuit {name} is missing")
        check_references(f"the circuit {name}", feeds + limits, [detail])


async def _set_circuits(work: UnitOfWork, row: Site, circuits: Sequence[Mapping[str, Any]]) -> None:
    """Makes these the circuits of a site; one that feeds an EVSE, or has a grid limit, stays."""
    _check_forest(circuits)
    wanted = {values["id"] for values in circuits}
    await _check_unused(work.session, row, wanted)
    for circuit in (await circuits_of(work.session, [row.id]))[row.id]:
        if circuit.id not in wanted:
            await work.session.delete(circuit)
    for values in circuits:
        await work.session.merge(Circuit(site_id=row.id, **values))
    # The check and the event read the circuits back.
    await work.session.flush()
    places = {values["id"]: place for place, values in enumerate(circuits)}
    await check_safe_limits(
        work.session, row.id, field_of=lambda circuit, name: f"/circuits/{places[circuit]}/{name}"
    )
    await _check_wiring(work, row, places)


async def _check_wiring(work: UnitOfWork, row: Site, places: Mapping[str, int]) -> None:
    """Checks that it is known how all EVSEs are wired whose phases have limits.

    Raises:
        BadInput: naming the limits, and an EVSE that is not known.
    """
    circuits = (await circuits_of(work.session, [row.id]))[row.id]
    split = split_circuits(circuits)
    if not split and row.phase_limits_w is None:
        return
    unknown = await work.session.scalars(
        sa.select(Evse)
        .join(Station, Station.identity == Evse.station)
        .where(Station.site_id == row.id, Evse.evse_id > 0, Evse.wired_to.is_(None))
        .order_by(Evse.station, Evse.evse_id)
    )
    for evse in unknown:
        if row.phase_limits_w is not None or evse.circuit_id in split:
            limited = (c.id for c in circuits if c.phase_limits_w is not None)
            named = None if row.phase_limits_w is not None else next(limited, None)
            field = "" if named is None else f"/circuits/{places[named]}"
            detail = f"wired_to of EVSE {evse.station}/{evse.evse_id} must be known first"
            raise bad_field(f"{field}/phase_limits_w", detail)


def _check_forest(circuits: Sequence[Mapping[str, Any]]) -> None:
    """Checks that each circuit is there once, and that parents are circuits without loops.

    Raises:
        BadInput: naming the first circuit that is wrong.
    """
    parents: dict[str, str | None] = {}
    for place, values in enumerate(circuits):
        if values["id"] in parents:
            raise bad_field(f"/circuits/{place}/id", "another circuit has this id")
        parents[values["id"]] = values["parent"]
    for place, values in enumerate(circuits):
        if values["parent"] is not None and values["parent"] not in parents:
            raise bad_field(f"/circuits/{place}/parent", f"no circuit {values['parent']}")
        above, seen = values["parent"], {values["id"]}
        while above is not None:
            if above in seen:
                raise bad_field(f"/circuits/{place}/parent", "circuits hang on each other")
            seen.add(above)
            above = parents.get(above)
