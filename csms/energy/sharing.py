"""PV plants that several sites share: each site has a part of what the plant gives.

A site's part by fixed shares is kept with the site, so that forecasts and all that goes by
measurements count it as the site's own sun. What is dealt by need is dealt anew from these parts:
see `csms.energy.dealing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from pydantic import AwareDatetime

from csms.energy.actions import announce_site, check_measured_at, store_measurements
from csms.energy.dealing import FIXED
from csms.energy.queries import PvPlantShown
from csms.ledger.work import UnitOfWork
from csms.web.documents import KeptShown, Shown
from csms.web.problem import bad_field
from csms.web.rows import add_row, change_row, check_reference, find_for_change, remove_row
from models.errors import Conflict
from models.tables.energy import SharedPlant, Site, SiteMeasurement
from models.timeline import format_rfc3339

SHARING = "shared plants"
"""What units of work take turns at, so that a site has a part of one plant only."""


class ShareShown(Shown):
    """The part of a plant that a site has."""

    site_id: str
    share: float


class SharedPlantShown(KeptShown):
    """A PV plant that several sites share."""

    name: str
    pv_plants: list[PvPlantShown]
    shares: list[ShareShown]
    key: str


class SharedMeasurementShown(Shown):
    """What a plant gave at an instant, and what of that counts at a site."""

    site_id: str
    measured_at: AwareDatetime
    pv_power_w: float


def shared_plant_resource(row: SharedPlant) -> dict[str, Any]:
    """Returns a shared plant as the REST door and the events show it."""
    return {
        "id": row.id,
        "name": row.name,
        "pv_plants": row.pv_plants,
        "shares": row.shares,
        "key": row.key,
        "external_id": row.external_id,
        "custom": row.custom,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


async def create_shared_plant(
    work: UnitOfWork, plant_id: str | None, values: Mapping[str, Any]
) -> SharedPlant:
    """Adds a plant and gives each of its sites its part.

    Raises:
        BadInput: for sites that are not there, or have roofs of their own.
        Conflict: `already-exists`, `already-shared`.
    """
    await work.take_turn(SHARING)
    row = SharedPlant(
        id=plant_id or work.ids.new(),
        tenant_id=work.tenant,
        version=1,
        created_at=work.now,
        updated_at=work.now,
        **{"key": FIXED, **values},
    )
    _write_down(work, row)
    await add_row(work, row, row.id)
    await _deal(work, row, row.shares)
    _announce(work, row, "created")
    return row


async def change_shared_plant(
    work: UnitOfWork, row: SharedPlant, values: Mapping[str, Any]
) -> None:
    """Changes a plant and deals it anew; errors as in `create_shared_plant`."""
    await work.take_turn(SHARING)
    before = row.key
    change_row(work, row, values)
    _write_down(work, row)
    await _deal(work, row, row.shares)
    if row.key != before:
        for each in row.shares:
            work.request_plan(each["site_id"], "key of a plant changed")
    _announce(work, row, "updated")


async def delete_shared_plant(work: UnitOfWork, row: SharedPlant) -> None:
    """Removes a plant: its sites have no sun any more."""
    await work.take_turn(SHARING)
    await _deal(work, row, [])
    _announce(work, row, "deleted")
    await remove_row(work, row)


async def store_shared_measurements(
    work: UnitOfWork, row: SharedPlant, measurements: Sequence[Mapping[str, Any]]
) -> list[SiteMeasurement]:
    """Keeps with each site its part of what the plant's meter said.

    Raises:
        BadInput: for an instant that has not come yet.
    """
    for place, each in enumerate(measurements):
        check_measured_at(work, each["measured_at"], f"/measurements/{place}/measured_at")
    kept: list[SiteMeasurement] = []
    for share in row.shares:
        site = await work.session.get(Site, share["site_id"])
        assert site is not None, "a site with a part can't be deleted"
        parts = [
            {**each, "pv_power_w": each["pv_power_w"] * share["share"]} for each in measurements
        ]
        kept += await store_measurements(work, site, parts)
    return kept


async def _deal(work: UnitOfWork, row: SharedPlant, shares: Sequence[Mapping[str, Any]]) -> None:
    """Gives sites their parts, and takes them from those that have none any more."""
    had = sa.select(Site.id).where(Site.tenant_id == work.tenant, Site.shared_plant_id == row.id)
    left = set(await work.session.scalars(had))
    for number, each in enumerate(shares):
        field = f"/shares/{number}/site_id"
        await check_reference(work, Site, each["site_id"], field)
        site = await find_for_change(work, Site, each["site_id"])
        left.discard(site.id)
        if site.pv_plants:
            raise bad_field(field, f"the site {site.id} has roofs of its own")
        if site.shared_plant_id not in {None, row.id}:
            detail = f"the site {site.id} has a part of {site.shared_plant_id}"
            raise Conflict(detail, code="already-shared")
        roofs = [
            {**roof, "peak_power_w": roof["peak_power_w"] * each["share"]} for roof in row.pv_plants
        ]
        values = {"shared_plant_id": row.id, "solar_share": each["share"], "shared_roofs": roofs}
        if any(getattr(site, name) != value for name, value in values.items()):
            await _set(work, site, values)
    for site_id in sorted(left):
        site = await find_for_change(work, Site, site_id)
        await _set(work, site, {"shared_plant_id": None, "solar_share": None, "shared_roofs": []})


def _write_down(work: UnitOfWork, row: SharedPlant) -> None:
    """Notes how a plant is dealt from now on, if that is new: the past is reckoned by its own."""
    dealing = {"key": row.key, "site_ids": [each["site_id"] for each in row.shares]}
    known = list(row.dealings or [])
    if not known or {**known[-1], **dealing} != known[-1]:
        row.dealings = [*known, {"since": format_rfc3339(work.now), **dealing}]


async def _set(work: UnitOfWork, site: Site, values: Mapping[str, Any]) -> None:
    change_row(work, site, values)
    await announce_site(work, "site.updated", site)
    work.request_plan(site.id, "part of a plant changed")


def _announce(work: UnitOfWork, row: SharedPlant, change: str) -> None:
    resource = shared_plant_resource(row)
    work.emit(f"shared_plant.{change}", subject=f"shared_plant/{row.id}", resource=resource)
