"""What chargers tell about cars: where they stand, how full they are. Pure.

A car's state may come from people, from the car's maker or from a charger. Here is the charger's
part: a measured state of charge is taken as it is; without one, the energy that went in is added to
what was known. News that is older than what is known changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec

JUMP_PCT = 5.0
"""A measured state of charge that is this far from the known one asks for a new plan."""
RETURN_WINDOW = timedelta(minutes=30)
"""For so long after its return a car is looked for at the site's chargers."""
Taper = tuple[tuple[float, float], ...]
"""Points of state of charge in per cent and the most power in W that the battery takes there."""
_SLACK = 1e-10
"""How much less steep than before a line of a taper may seem to be, by rounding."""


class VehicleState(msgspec.Struct, frozen=True):
    """What is known of a car; see `models.tables.fleet.Vehicle`."""

    id: str
    tenant_id: str
    external_id: str | None
    custom: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime
    model_id: str
    site_id: str
    registration: str | None
    at_site_id: str | None
    soc_pct: float | None
    odometer_km: float | None
    plugged_evse: str | None
    measured_at: datetime | None
    source: str | None
    returned_at: datetime | None


class ModelState(msgspec.Struct, frozen=True):
    """What charging must know of a car's model; see `models.tables.fleet.VehicleModel`."""

    id: str
    battery_capacity_wh: float
    charge_efficiency: float


class BookingState(msgspec.Struct, frozen=True):
    """What charging must know of a trip; see `models.tables.booking.Booking`."""

    id: str
    driver_id: str
    status: str
    vehicle_id: str | None
    started_at: datetime | None
    returned_at: datetime | None


def plugged(vehicle: VehicleState, evse: str, site_id: str | None, now: datetime) -> VehicleState:
    """Returns a car that stands at an EVSE.

    Args:
        vehicle: as it was known.
        evse: `IDENTITY/EVSE`.
        site_id: the station's site.
        now: by our clock.
    """
    return msgspec.structs.replace(
        vehicle, plugged_evse=evse, at_site_id=site_id or vehicle.at_site_id, updated_at=now
    )


def unplugged(vehicle: VehicleState, now: datetime) -> VehicleState:
    """Returns a car that stands at no EVSE any more."""
    return msgspec.structs.replace(vehicle, plugged_evse=None, updated_at=now)


def charged(
    vehicle: VehicleState,
    model: ModelState | None,
    *,
    soc_pct: float | None,
    energy_wh: float,
    at: datetime,
    now: datetime,
) -> VehicleState:
    """Returns a car after a reading of the transaction that it is in.

    Args:
        vehicle: as it was known.
        model: its model, for the estimate.
        soc_pct: what the car told the charger, if it did.
        energy_wh: what went through the meter since the reading before.
        at: when it was measured.
        now: by our clock.
    """
    if vehicle.measured_at is not None and at < vehicle.measured_at:
        return vehicle
    if soc_pct is not None:
        return msgspec.structs.replace(
            vehicle, soc_pct=soc_pct, measured_at=at, source="charger", updated_at=now
        )
    if vehicle.soc_pct is None or model is None or energy_wh <= 0:
        return vehicle
    gained_pct = 100.0 * energy_wh * model.charge_efficiency / model.battery_capacity_wh
    return msgspec.structs.replace(
        vehicle,
        soc_pct=min(100.0, vehicle.soc_pct + gained_pct),
        measured_at=at,
        source="estimate",
        updated_at=now,
    )


def worth_telling(before: VehicleState, after: VehicleState) -> bool:
    """Returns whether others should hear of a change: a whole percent, another place or source."""
    if (before.plugged_evse, before.at_site_id, before.source) != (
        after.plugged_evse,
        after.at_site_id,
        after.source,
    ):
        return True
    if before.soc_pct is None or after.soc_pct is None:
        return before.soc_pct is not after.soc_pct
    return int(before.soc_pct) != int(after.soc_pct)


def jumped(before: VehicleState, after: VehicleState) -> bool:
    """Returns whether what plans were made from has turned out to be wrong."""
    if after.source != "charger" or after.soc_pct is None:
        return False
    return before.soc_pct is None or abs(after.soc_pct - before.soc_pct) >= JUMP_PCT


def on_trip(bookings: Sequence[BookingState], now: datetime) -> str | None:
    """Returns the car of a driver's trip: the one under way, else the one that has just ended."""
    under_way = [each for each in bookings if each.status in {"active", "late"}]
    if under_way:
        return max(under_way, key=lambda each: each.started_at or now).vehicle_id
    ended = [
        each
        for each in bookings
        if each.returned_at is not None and now - each.returned_at <= RETURN_WINDOW
    ]
    return max(ended, key=lambda each: each.returned_at or now).vehicle_id if ended else None


def just_returned(vehicles: Sequence[VehicleState], now: datetime) -> str | None:
    """Returns the only car of a site that has just come back and is not plugged in; else None."""
    found = [
        each.id
        for each in vehicles
        if each.plugged_evse is None
        and each.returned_at is not None
        and timedelta(0) <= now - each.returned_at <= RETURN_WINDOW
    ]
    return found[0] if len(found) == 1 else None


def taper_of(points: Iterable[Mapping[str, float]]) -> Taper:
    """Returns a taper as it is reckoned with, from how it is kept."""
    return tuple((each["soc_pct"], each["power_w"]) for each in points)


def taper_mistake(taper: Taper) -> str | None:
    """Returns why a battery can't take what a taper says; None: it can.

    The power never rises, each line is at least as steep as the one before, and the last point is
    at 100 per cent: what a planning problem asks for.
    """
    slope = 0.0
    for (from_pct, from_w), (to_pct, to_w) in pairwise(taper):
        if to_pct <= from_pct:
            return f"soc_pct must rise from point to point, not from {from_pct:g} to {to_pct:g}"
        most_w = from_w + slope * (to_pct - from_pct)
        if to_w > most_w * (1 + _SLACK):
            return (
                f"power_w must fall at least as steeply as before: at {to_pct:g} % to {most_w:g} W,"
                f" not {to_w:g}"
            )
        slope = (to_w - from_w) / (to_pct - from_pct)
    if taper and taper[-1][0] != 100:
        return f"the last point must be at 100 %, not {taper[-1][0]:g}"
    return None


def mean_power_w(taper: Taper, most_w: float, from_pct: int, to_pct: int) -> float:
    """Returns the power that charges a battery in the same time as its taper allows.

    Args:
        taper: of the battery; empty: not known, and nothing is taken off.
        most_w: what everything else allows.
        from_pct: where the charging begins.
        to_pct: where it ends.
    """
    if not taper:
        return most_w
    taken_w = [min(most_w, _takes_w(taper, pct + 0.5)) for pct in range(from_pct, to_pct)]
    if min(taken_w) <= 0:
        return 0.0
    return len(taken_w) / sum(1 / each_w for each_w in taken_w)


def _takes_w(taper: Taper, soc_pct: float) -> float:
    """Returns what a battery takes: straight from point to point, level before the first."""
    if soc_pct <= taper[0][0]:
        return taper[0][1]
    for (from_pct, from_w), (to_pct, to_w) in pairwise(taper):
        if soc_pct <= to_pct:
            return from_w + (to_w - from_w) * (soc_pct - from_pct) / (to_pct - from_pct)
    return taper[-1][1]
