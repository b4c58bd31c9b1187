"""The EVSEs of a tenant, as far as they matter to what cars can charge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from csms.booking.rules import Charger, Outlet, site_power_w
from csms.fleet.rules import taper_of
from csms.ledger.work import ReadSession
from csms.stations.rules import OUT_OF_SERVICE, rated_power_w
from models.tables.energy import Site
from models.tables.fleet import VehicleModel
from models.tables.stations import Connector, Evse, Station

_TENANT: sa.BindParameter[str] = sa.bindparam("tenant")
_FAULTY = (
    sa.select(Connector.station, Connector.evse_id)
    .join(Station, Station.identity == Connector.station)
    .where(Station.tenant_id == _TENANT, Connector.status.in_(OUT_OF_SERVICE))
)
_STATIONS = sa.select(Station.identity, Station.site_id, Station.online, Station.last_seen).where(
    Station.tenant_id == _TENANT, Station.approval == "accepted"
)
_SITES = sa.select(Site.id, Site.move_price).where(Site.tenant_id == _TENANT)
_EVSES = sa.select(Evse).where(
    Evse.station.in_(sa.bindparam("stations", expanding=True)), Evse.evse_id > 0
)


@dataclass(frozen=True, slots=True)
class Outlets:
    """The EVSEs of a tenant, as far as they matter to what cars can charge."""

    sites: Mapping[str, Sequence[Outlet]]
    """By site: those in service; a site whose stations have not said what they have is not in."""
    evses: Mapping[str, Outlet | None]
    """By `IDENTITY/EVSE`; None: out of service."""
    working: frozenset[str]
    """The EVSEs of `sites`."""
    unstaffed: frozenset[str]
    """The sites at which nobody moves cars."""

    @property
    def spaces(self) -> dict[str, int]:
        """How many cars can be plugged in at once, by site that has chargers."""
        return {site_id: len(found) for site_id, found in self.sites.items() if found}

    def site_powers_w(self, model: VehicleModel) -> dict[str, float]:
        """Returns what a car of a model can count on, by site."""
        return {
            site_id: site_power_w(outlets, charger_of(model))
            for site_id, outlets in self.sites.items()
        }


def charger_of(model: VehicleModel) -> Charger:
    """Returns what cars of a model can be charged with."""
    return Charger(
        max_ac_power_w=model.max_ac_power_w,
        max_dc_power_w=model.max_dc_power_w,
        ac_phases=model.ac_phases,
        taper=taper_of(model.taper),
    )


async def read_outlets(session: ReadSession, *, tenant: str) -> Outlets:
    """Returns the EVSEs at the sites of a tenant."""
    faulty = {
        (station, evse_id)
        for station, evse_id in await session.execute(_FAULTY, {"tenant": tenant})
    }
    stations: dict[str, str] = {}
    unheard: set[str] = set()
    for identity, site_id, online, last_seen in await session.execute(
        _STATIONS, {"tenant": tenant}
    ):
        if site_id is not None:
            stations[identity] = site_id
            if last_seen is not None and not online:
                unheard.add(identity)
    rows = await session.execute(_SITES, {"tenant": tenant})
    prices = {row.id: row.move_price for row in rows}
    sites: dict[str, list[Outlet]] = {site_id: [] for site_id in prices}
    evses: dict[str, Outlet | None] = {}
    working: set[str] = set()
    silent = dict(stations)
    for evse in await session.scalars(_EVSES, {"stations": list(stations)}):
        silent.pop(evse.station, None)
        outlet = Outlet(
            current_type="DC" if evse.current_type == "DC" else "AC",
            max_power_w=rated_power_w(evse.max_power_w, evse.phases),
            phases=evse.phases,
        )
        name = f"{evse.station}/{evse.evse_id}"
        works = (evse.station, evse.evse_id) not in faulty
        # Who hangs on a box that can't be heard may be charged or not; later it will be back.
        counts = works and evse.station not in unheard
        evses[name] = outlet if counts else None
        if works:
            working.add(name)
            sites[stations[evse.station]].append(outlet)
    unknown = set(silent.values())
    known = {site: found for site, found in sites.items() if found or site not in unknown}
    unstaffed = frozenset(site_id for site_id, price in prices.items() if price is None)
    return Outlets(sites=known, evses=evses, working=frozenset(working), unstaffed=unstaffed)
