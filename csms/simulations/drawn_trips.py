"""What people asked for on days that have been, drawn from bookings and from plug-ins of cars."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from csms.simulations.history import Rows
from csms.simulations.rules import Span
from models.tables.booking import Booking
from simulators.past import LATE_MAX_MINUTES, PastBooking

_MINUTE = timedelta(minutes=1)
_PLUGGED_EARLY = timedelta(minutes=15)
"""A plug may be reported before the return is."""
_PLUGGED_LATE = timedelta(days=1)
_FACTOR_MIN, _FACTOR_MAX = 0.2, 5.0
"""Consumption beyond this is a fault of who told the states of charge."""
_SOON = timedelta(minutes=5)
"""After the first instant: who starts before can't ask again in time."""


@dataclass(frozen=True, slots=True)
class Trips:
    """What was drawn."""

    bookings: tuple[PastBooking, ...]
    drivers: int
    counts: Counter[str]


def draw_trips(rows: Rows, sites: Mapping[str, str], span: Span) -> Trips:
    """Returns the bookings of the span as wishes, and how much is known of their trips.

    Args:
        rows: what was read.
        sites: names in the scenario, by id.
        span: the days.
    """
    numbers = {
        driver: number
        for number, driver in enumerate(sorted({each.driver_id for each in rows.bookings}), 1)
    }
    reach_wh_per_km = _consumption(rows)
    counts: Counter[str] = Counter()
    found: list[PastBooking] = []
    for row in rows.bookings:
        if row.start <= span.start + _SOON:
            counts["bookings_under_way"] += 1
            continue
        if _called_off_early(row, span):
            counts["bookings_called_off_at_once"] += 1
            continue
        plugged = _plugged_after(row, rows)
        factor = _factor(row, reach_wh_per_km)
        counts["bookings"] += 1
        counts["bookings_asked_before"] += row.created_at < span.start
        counts["bookings_cancelled"] += row.status == "cancelled"
        counts["bookings_not_fetched"] += row.status == "no_show"
        counts["trips"] += row.returned_at is not None
        counts["trips_with_energy"] += factor is not None
        counts["trips_with_plug_in"] += plugged is not None
        found.append(
            PastBooking(
                asked_at=row.created_at,
                start=row.start,
                end=row.end,
                driver=numbers[row.driver_id],
                pickup_site=sites[row.pickup_site_id],
                dropoff_site=sites[row.dropoff_site_id],
                distance_km=row.distance_km,
                vehicle_class=row.vehicle_class,
                consumption_factor=1.0 if factor is None else factor,
                leaves_after_minutes=_leaves(row),
                returns_after_minutes=_returns(row),
                plugs_in_after_minutes=plugged or 0,
                cancels_before_minutes=_cancels(row),
            )
        )
    counts["bookings_under_way"] += rows.under_way
    return Trips(tuple(found), len(numbers), counts)


def start_soc_pct(rows: Rows) -> float | None:
    """Returns how full cars were at their first trips, in the mean; None where nobody told."""
    first: dict[str, float] = {}
    for row in sorted(rows.bookings, key=lambda each: (each.start, each.id)):
        if row.vehicle_id is not None and row.started_soc_pct is not None:
            first.setdefault(row.vehicle_id, row.started_soc_pct)
    return round(sum(first.values()) / len(first), 1) if first else None


def _consumption(rows: Rows) -> dict[str, float]:
    """Returns what each car needs on the mean trip, in Wh per km."""
    models = {each.id: each.consumption_wh_per_km for each in rows.models}
    return {each.id: models[each.model_id] for each in rows.vehicles}


def _factor(row: Booking, consumption_wh_per_km: Mapping[str, float]) -> float | None:
    usual_wh = row.distance_km * consumption_wh_per_km.get(row.vehicle_id or "", 0.0)
    if row.used_wh is None or row.used_wh <= 0 or usual_wh <= 0:
        return None
    return round(min(_FACTOR_MAX, max(_FACTOR_MIN, row.used_wh / usual_wh)), 4)


def _called_off_early(row: Booking, span: Span) -> bool:
    """Whether it was called off before anybody could have asked for it again in these days."""
    if row.status != "cancelled" or row.cancelled_at is None:
        return False
    half_an_hour = timedelta(minutes=30)
    asked_at = row.created_at if row.created_at >= span.start + _SOON else span.start + half_an_hour
    return row.cancelled_at <= asked_at + _MINUTE


def _cancels(row: Booking) -> int | None:
    if row.status not in {"cancelled", "no_show"}:
        return None
    if row.cancelled_at is None:
        return 1
    before = math.ceil((row.start - row.cancelled_at) / _MINUTE)
    return min(LATE_MAX_MINUTES, max(1, before))


def _leaves(row: Booking) -> int:
    if row.started_at is None:
        return 0
    latest = max(0, int((row.end - row.start) / _MINUTE) - 1)
    return min(latest, max(0, round((row.started_at - row.start) / _MINUTE)))


def _returns(row: Booking) -> int:
    if row.returned_at is None:
        return 0
    late = round((row.returned_at - row.end) / _MINUTE)
    return min(LATE_MAX_MINUTES, max(-LATE_MAX_MINUTES, late))


def _plugged_after(row: Booking, rows: Rows) -> int | None:
    """Returns how many minutes after its return a car was plugged in, where that is known."""
    if row.returned_at is None or row.vehicle_id is None:
        return None
    began: list[datetime] = rows.plugged_at.get(row.vehicle_id, [])
    place = bisect_left(began, row.returned_at - _PLUGGED_EARLY)
    if place == len(began) or began[place] > row.returned_at + _PLUGGED_LATE:
        return None
    return max(0, round((began[place] - row.returned_at) / _MINUTE))
