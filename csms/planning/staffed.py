"""Sites where staff moves cars: when it is there, which cars it can move, and what it is to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from csms.booking.rules import OPEN, PLUG_IN_WITHIN
from csms.ledger.work import UnitOfWork
from csms.moves.actions import Wanted, order_moves
from csms.planning.exchanges import URGENT_BEFORE
from csms.planning.queries import Rows
from models.tables.booking import Booking as BookingRow
from models.tables.energy import Site as SiteRow
from models.tables.fleet import Vehicle as VehicleRow
from models.timeline import StepGrid, format_rfc3339
from scheduler.explaining import explain_moves
from scheduler.explaining.picture import Number, Reason
from scheduler.plan import Plan
from scheduler.problem import Evse, Problem, Site, Vehicle

ORDERED_AHEAD = timedelta(hours=12)
"""What is to be moved later will be planned anew some fifty times before."""
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def was_forgotten(vehicle: VehicleRow, now: datetime) -> bool:
    """Returns whether a car that stands on no EVSE will not be plugged in by who has driven it."""
    since = vehicle.returned_at or vehicle.created_at
    return now - since > PLUG_IN_WITHIN


def with_staff(sites: Iterable[Site], rows: Rows, grid: StepGrid) -> tuple[Site, ...]:
    """Returns the sites of a planning problem, in the order of `rows.sites`, with their staff."""
    return tuple(
        site
        if row.move_price is None
        else replace(site, move_price=float(row.move_price), move_windows=_windows(row, grid))
        for site, row in zip(sites, rows.sites, strict=True)
    )


def moved_by_staff(cars: Iterable[Vehicle], rows: Rows, now: datetime) -> tuple[Vehicle, ...]:
    """Returns cars as staff can move them: one that nobody has plugged in can be charged after all.

    Whom staff has refused to move stays where it is.
    """
    priced = {row.id for row in rows.sites if row.move_price is not None}
    known = {vehicle.id: (vehicle, model) for vehicle, model in rows.vehicles}
    found: list[Vehicle] = []
    for car in cars:
        changed = car
        vehicle, model = known[car.id]
        if car.site in priced and car.id in rows.refused:
            changed = replace(changed, may_be_moved=False)
        stands = car.site in priced and car.evse is None and car.available_from == 0
        if stands and was_forgotten(vehicle, now):
            changed = replace(
                changed,
                parked=True,
                max_ac_power_w=model.max_ac_power_w,
                max_dc_power_w=model.max_dc_power_w,
            )
        found.append(changed)
    return tuple(found)


def brought_by_staff(
    cars: Sequence[Vehicle],
    sites: Iterable[Site],
    rows: Rows,
    grid: StepGrid,
    now: datetime,
) -> dict[str, Vehicle]:
    """Returns cars that get nothing where they stand, as if they came back when staff comes next.

    They get nothing because their outlet is out of service, or because nobody has plugged them in.
    Each has an outlet to itself that works and that nobody else needs, and no more than its power;
    who is to leave first has the strongest. Left out are those that hold enough for what they are
    promised, those for which no outlet is left, and all at sites whose staff moves no cars.
    """
    known = {vehicle.id: (vehicle, model) for vehicle, model in rows.vehicles}
    needs = _needs(cars, rows)
    last = grid.ceil(now + URGENT_BEFORE)
    found: dict[str, Vehicle] = {}
    for site in sites:
        if not site.move_windows:
            continue
        here = [car for car in cars if car.site == site.id and car.available_from == 0]
        stuck = rows.refused | needs.keys()
        held = {car.evse for car in here if car.id in stuck}
        works = [each for each in site.evses if not _is_out(each, last)]
        free = [each for each in works if each.id not in held]
        free.sort(key=lambda each: (-each.max_power_w, each.id))
        dead = {each.id for each in site.evses if _is_out(each, 1)}
        waits = [
            (was_forgotten(known[car.id][0], now) or car.evse is not None, needs[car.id], car)
            for car in here
            if car.id in needs and (car.evse is None or car.evse in dead)
        ]
        # Who has just come back takes an outlet without being brought, and so comes first.
        waits.sort(key=lambda each: (each[0], each[1], each[2].id))
        brought = [each for each in waits if not each[0] or each[2].id not in rows.refused]
        for (by_staff, _, car), evse in zip(brought, free, strict=False):
            if by_staff:
                model = known[car.id][1]
                own_w = model.max_dc_power_w if evse.current_type == "DC" else model.max_ac_power_w
                found[car.id] = replace(
                    car,
                    evse=None,
                    available_from=max(1, site.move_windows[0][0]),
                    max_ac_power_w=min(evse.max_power_w, own_w),
                )
    return found


def _needs(cars: Iterable[Vehicle], rows: Rows) -> dict[str, datetime]:
    """Returns when cars leave next that hold too little for all that they are promised."""
    trips: dict[str, list[BookingRow]] = {}
    for row in rows.bookings:
        if row.vehicle_id and row.status in OPEN:
            trips.setdefault(row.vehicle_id, []).append(row)
    return {
        car.id: promised[0].start
        for car in cars
        if (promised := trips.get(car.id))
        and sum(trip.distance_km for trip in promised) * car.consumption_wh_per_km
        > car.soc_wh - car.min_soc_wh
    }


def _is_out(evse: Evse, until: int) -> bool:
    """Returns whether an outlet is out of service in a step before `until`."""
    return any(first < until and last > 0 for first, last in evse.unavailable)


def _windows(row: SiteRow, grid: StepGrid) -> tuple[tuple[int, int], ...]:
    """Returns the stretches of whole steps in which staff is there."""
    if not row.move_hours:
        return ((0, grid.steps),)
    zone = ZoneInfo(row.timezone)
    windows: list[tuple[int, int]] = []
    for step in range(grid.steps):
        start = grid.instant(step).astimezone(zone)
        ends = (start + timedelta(minutes=grid.step_minutes)).strftime("%H:%M")
        until = "24:00" if ends == "00:00" else ends
        day = _DAYS[start.weekday()]
        if any(
            day in hours["days"] and hours["start"] <= f"{start:%H:%M}" < until <= hours["end"]
            for hours in row.move_hours
        ):
            if windows and windows[-1][1] == step:
                windows[-1] = (windows[-1][0], step + 1)
            else:
                windows.append((step, step + 1))
    return tuple(windows)


async def tell_staff(
    work: UnitOfWork, problem: Problem, rows: Rows, plan: Plan, *, plan_id: str, seen_at: datetime
) -> None:
    """Orders what a plan has staff do in the next hours, and withdraws what it does not want.

    In the shadow nothing is ordered.
    """
    shadows = {site.id for site in rows.sites if site.shadow}
    prices = {site.id: site.move_price or Decimal(0) for site in rows.sites}
    currencies = {each.site_id: each.currency for each in rows.prices}
    wanted: dict[tuple[str, str | None, str | None], Wanted] = {}
    until = work.now + ORDERED_AHEAD
    for why in explain_moves(problem, plan) if plan.moves else ():
        if why.site in shadows or why.from_at > until:
            continue
        each = Wanted(
            site_id=why.site,
            vehicle_id=why.vehicle,
            from_evse=why.from_evse,
            to_evse=why.to_evse,
            from_at=why.from_at,
            to_at=why.to_at,
            price=prices[why.site],
            currency=currencies.get(why.site, problem.currency),
            reasons=_documents(why.reasons),
        )
        wanted.setdefault(each.key, each)
    await order_moves(work, list(wanted.values()), plan_id=plan_id, seen_at=seen_at)


def _documents(reasons: Sequence[Reason]) -> list[dict[str, Any]]:
    return [
        {
            "code": reason.code,
            "says": reason.says,
            "numbers": {name: _plain(value) for name, value in reason.numbers.items()},
        }
        for reason in reasons
    ]


def _plain(number: Number) -> Any:
    return format_rfc3339(number) if isinstance(number, datetime) else number
