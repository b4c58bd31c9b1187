"""Changes of sites, and what is pushed of them: measurements, forecasts, prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

import sqlalchemy as sa

from csms.energy.queries import (
    circuits_of,
    forecast_of,
    forecast_resource,
    measurement_resource,
    plants_of,
    price_resource,
    show_site,
)
from csms.ledger.work import UnitOfWork
from csms.stations.actions import check_safe_limits
from csms.web.problem import bad_field
from csms.web.rows import add_row, change_row, check_reference, remove_row
from models.errors import Conflict
from models.tables.billing import Tariff
from models.tables.energy import Circuit, Forecast, PriceSeries, Site, SiteMeasurement
from models.tables.stations import Evse, Station
from scheduler.forecast import QuantileForecast
from scheduler.forecast.quality import doubts_of_course, doubts_of_sun
from scheduler.forecast.sun import Location

MEASURED_AHEAD = timedelta(minutes=5)
"""How far a meter's clock may be ahead of ours."""
_LIMITS = ("import_limit_w", "export_limit_w")


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
    await _announce(work, "site.created", row)
    return row


async def change_site(
    work: UnitOfWork,
    row: Site,
    values: Mapping[str, Any],
    circuits: Sequence[Mapping[str, Any]],
) -> None:
    """Changes a site and has it planned anew; errors as in `create_site`."""
    await check_reference(work, Tariff, values["tariff_id"], "/tariff_id")
    before = await _limits(work, row)
    change_row(work, row, values)
    await _set_circuits(work, row, circuits)
    await _announce(work, "site.updated", row)
    if await _limits(work, row) != before:
        await _announce(work, "site.limit_changed", row)
    work.request_plan(row.id, "site changed")


async def delete_site(work: UnitOfWork, row: Site) -> None:
    """Removes a site with its measurements, forecasts and prices.

    Raises:
        Conflict: `still-referenced` by a station, car or booking.
    """
    shown = await show_site(work.session, row)
    await remove_row(work, row)
    work.emit("site.deleted", subject=f"site/{row.id}", resource=shown, site_id=row.id)


async def store_measurements(
    work: UnitOfWork, site: Site, measurements: Sequence[Mapping[str, Any]]
) -> list[SiteMeasurement]:
    """Keeps what meters said; the same instant again overwrites.

    Raises:
        BadInput: for an instant that has not come yet.
    """
    kept: list[SiteMeasurement] = []
    for place, values in enumerate(measurements):
        if values["measured_at"] > work.now + MEASURED_AHEAD:
            field = f"/{place}/measured_at" if len(measurements) > 1 else "/measured_at"
            raise bad_field(field, "lies in the future")
        row = SiteMeasurement(site_id=site.id, received_at=work.now, **values)
        kept.append(await work.session.merge(row))
    if kept:
        newest = max(kept, key=lambda row: row.measured_at)
        resource = measurement_resource(newest)
        work.emit("site.measured", subject=f"site/{site.id}", resource=resource, site_id=site.id)
    return kept


async def store_forecast(
    work: UnitOfWork, site: Site, kind: Literal["pv", "load"], values: Mapping[str, Any]
) -> Forecast:
    """Keeps a pushed forecast; while it is fresh and believed it is preferred to our own."""
    row = Forecast(id=work.ids.new(), site_id=site.id, kind=kind, **values)
    told = forecast_of(row)
    doubts = list(doubts_of_course(told, await _told_before(work, row)))
    if kind == "pv" and site.pv_plants:
        place = Location(site.latitude, site.longitude)
        doubts += doubts_of_sun(told, place, plants_of(site))
    row.doubts = [{"code": each.code, "detail": each.detail} for each in doubts]
    work.session.add(row)
    resource = forecast_resource(row)
    work.emit("forecast.pushed", subject=f"forecast/{row.id}", resource=resource, site_id=site.id)
    work.request_plan(site.id, f"{kind} forecast pushed")
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
    """Keeps a series of prices; where series overlap, the one issued last holds."""
    row = PriceSeries(id=work.ids.new(), site_id=site.id, **values)
    work.session.add(row)
    resource = price_resource(row)
    work.emit("prices.pushed", subject=f"prices/{row.id}", resource=resource, site_id=site.id)
    work.request_plan(site.id, "prices pushed")
    return row


async def _limits(work: UnitOfWork, row: Site) -> tuple[Any, ...]:
    circuits = (await circuits_of(work.session, [row.id]))[row.id]
    fuses = tuple((each.id, each.parent, each.limit_w, each.unmanaged_load_w) for each in circuits)
    return (*(getattr(row, name) for name in _LIMITS), fuses)


async def _announce(work: UnitOfWork, event: str, row: Site) -> None:
    resource = await show_site(work.session, row)
    work.emit(event, subject=f"site/{row.id}", resource=resource, site_id=row.id)


async def _set_circuits(work: UnitOfWork, row: Site, circuits: Sequence[Mapping[str, Any]]) -> None:
    """Makes these the circuits of a site; one that feeds an EVSE can't go."""
    _check_forest(circuits)
    wanted = {values["id"] for values in circuits}
    used = (
        sa.select(Evse.circuit_id)
        .join(Station, Station.identity == Evse.station)
        .where(Station.site_id == row.id, Evse.circuit_id.is_not(None))
    )
    orphaned = set((await work.session.execute(used)).scalars()) - wanted
    if orphaned:
        name = min(str(each) for each in orphaned)
        raise Conflict(f"the circuit {name} feeds an EVSE", code="still-referenced")
    for circuit in (await circuits_of(work.session, [row.id]))[row.id]:
        if circuit.id not in wanted:
            await work.session.delete(circuit)
    for values in circuits:
        await work.session.merge(Circuit(site_id=row.id, **values))
    # The check and the event read the circuits back.
    await work.session.flush()
    places = {values["id"]: place for place, values in enumerate(circuits)}
    await check_safe_limits(
        work.session, row.id, field_of=lambda circuit: f"/circuits/{places[circuit]}/limit_w"
    )


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
