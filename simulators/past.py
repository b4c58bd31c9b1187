"""Days that have been, as parts of a scenario: what was measured, and what people asked for.

A scenario with a history is played as any other: the house plans and commands anew, with the sun,
the load, the prices and the wishes of those days in place of what a seed draws. It says nobody's
name: drivers are numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated

import msgspec

from models.errors import FieldError
from simulators.amounts import LARGEST, NotNegative
from simulators.scorecard import STEP_MINUTES

STEPS_PER_DAY = 24 * 60 // STEP_MINUTES
BOOKINGS_MAX = 50_000
LATE_MAX_MINUTES = 50_000
ODD = "odd."
"""How counts of what was not drawn as it is stored begin."""
ODDITIES = (
    "batteries_emptied",
    "batteries_of_one_way",
    "loads_with_store",
    "peak_or_co2_prices",
    "phase_limits",
    "stations_of_unknown_version",
    "stations_with_unlike_evses",
    "stations_without_evse",
    "stations_without_safe_limit",
)
"""What there are words for, after `ODD`."""
Price = Annotated[float, msgspec.Meta(ge=-LARGEST, le=LARGEST)]
Steps = tuple[NotNegative, ...]
Moment = Annotated[int, msgspec.Meta(ge=0, le=LATE_MAX_MINUTES)]


class SiteHistory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was measured at a site, for each quarter of an hour from the start."""

    pv_power_w: Steps = ()
    """Of all plants; empty: the sky decides."""
    load_power_w: Steps = ()
    """Of the building, without cars and without what `heat` adds; empty: `building` decides."""
    import_price_per_kwh: tuple[Price, ...] = ()
    """Empty: that of `prices`."""
    export_price_per_kwh: tuple[Price, ...] = ()
    """Empty: that of `prices`."""
    import_co2_g_per_kwh: Steps = ()
    """Empty: that of `prices`."""


class PastBooking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody asked for, and how the trip went."""

    asked_at: datetime
    start: datetime
    end: datetime
    driver: Annotated[int, msgspec.Meta(ge=1, le=100_000)]
    """A number in place of a name, from 1 to `subscribers`."""
    pickup_site: str
    dropoff_site: str
    distance_km: NotNegative
    vehicle_class: str | None = None
    """Null: any."""
    consumption_factor: Annotated[float, msgspec.Meta(gt=0, le=10)] = 1.0
    """Energy of the trip over what its distance takes on the mean trip."""
    leaves_after_minutes: Moment = 0
    """After the start."""
    returns_after_minutes: Annotated[
        int, msgspec.Meta(ge=-LATE_MAX_MINUTES, le=LATE_MAX_MINUTES)
    ] = 0
    """After the end; negative: before it."""
    plugs_in_after_minutes: Moment = 0
    """After the return."""
    cancels_before_minutes: Moment | None = None
    """Before the start; null: it was not called off."""


class History(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What people asked for on days that have been, and how these days were drawn."""

    bookings: Annotated[tuple[PastBooking, ...], msgspec.Meta(max_length=BOOKINGS_MAX)]
    """In the order of asking."""
    counts: dict[str, NotNegative] = {}
    """How much was taken from rows, and how much was filled or left out."""
    taken: tuple[str, ...] = ()
    """For people: what comes from history."""
    assumed: tuple[str, ...] = ()
    """For people: what does not."""


def mistakes_of_past(
    history: History | None, sites: Mapping[str, SiteHistory | None], days: int
) -> list[FieldError]:
    """Returns what types can't say of a history.

    Args:
        history: of all sites.
        sites: what was measured, by site in the order of the scenario.
        days: of the scenario.
    """
    found: list[FieldError] = []
    steps = days * STEPS_PER_DAY
    for index, past in enumerate(sites.values()):
        if past is not None:
            found += _short(past, steps, f"/sites/{index}/history")
    if history is not None:
        found += _unknown_oddities(history.counts)
        for index, booking in enumerate(history.bookings):
            found += _odd(booking, sites, f"/history/bookings/{index}")
    return found


def _unknown_oddities(counts: Mapping[str, float]) -> Iterator[FieldError]:
    """Refuses what a report would have to tell and has no words for."""
    for name in counts:
        if name.startswith(ODD) and name.removeprefix(ODD) not in ODDITIES:
            known = ", ".join(f"{ODD}{each}" for each in ODDITIES)
            detail = f"unknown count {name[:40]!r}, must be one of {known}"
            yield FieldError("/history/counts", detail)


def _short(past: SiteHistory, steps: int, where: str) -> Iterator[FieldError]:
    for name in past.__struct_fields__:
        values = getattr(past, name)
        if values and len(values) != steps:
            detail = f"has {len(values)} steps of {STEP_MINUTES} minutes, the days have {steps}"
            yield FieldError(f"{where}/{name}", detail)


def _odd(
    booking: PastBooking, sites: Mapping[str, SiteHistory | None], where: str
) -> Iterator[FieldError]:
    instants = {"asked_at": booking.asked_at, "start": booking.start, "end": booking.end}
    naive = [name for name, instant in instants.items() if instant.tzinfo is None]
    for name in naive:
        yield FieldError(f"{where}/{name}", "has no time zone")
    if not naive and booking.start >= booking.end:
        yield FieldError(f"{where}/end", "not after the start")
    for name in ("pickup_site", "dropoff_site"):
        if getattr(booking, name) not in sites:
            yield FieldError(f"{where}/{name}", f"unknown site {getattr(booking, name)!r}")
