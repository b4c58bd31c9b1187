"""How a world plays days that have been: with their sun, load, prices and wishes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from models.errors import BadInput, FieldError
from models.timeline import utc
from simulators.past import STEPS_PER_DAY, PastBooking
from simulators.people import Habits, Wish
from simulators.scenario import Scenario, SiteSpec
from simulators.scorecard import STEP_MINUTES
from simulators.sun import BIN_MINUTES

_FIRST_ASKED = timedelta(minutes=5)
_ASKED_WITHIN_MINUTES = 25
"""Who asked before the days begin asks in so many minutes of the first hour, in the same order."""
_DRAWN_ONLY = "forecast-error"


@dataclass(frozen=True, slots=True)
class SitePrices:
    """What a kWh costs at a site, and emits; one value per step."""

    import_price_per_kwh: tuple[float, ...]
    export_price_per_kwh: tuple[float, ...]
    import_co2_g_per_kwh: tuple[float, ...]


def check_played(scenario: Scenario, start: datetime, days: int, faults: Iterable[str]) -> None:
    """Lets what can be played of a scenario pass: all of one without a history.

    Args:
        scenario: what is to be played.
        start: of the first day.
        days: how many.
        faults: what is to go wrong.

    Raises:
        BadInput: for days that the history does not have, and faults that only a drawn sky has.
    """
    if scenario.history is None:
        return
    if start != utc(scenario.start):
        raise _refused("/start", f"the history begins at {utc(scenario.start):%Y-%m-%dT%H:%M}Z")
    if days > scenario.days:
        raise _refused("/days", f"the history has {scenario.days} days, {days} are asked for")
    if _DRAWN_ONLY in faults:
        raise _refused("/faults", f"{_DRAWN_ONLY} needs a sky that is drawn; this one was measured")


def _refused(field: str, detail: str) -> BadInput:
    return BadInput(f"{field.removeprefix('/')}: {detail}", (FieldError(field, detail),))


def measured_w(values: Sequence[float], bins: int) -> npt.NDArray[np.float64]:
    """Returns a measured series in W for the first `bins` of five minutes."""
    return np.repeat(np.array(values, dtype=np.float64), STEP_MINUTES // BIN_MINUTES)[:bins]


def past_wishes(scenario: Scenario, start: datetime, days: int) -> list[Wish]:
    """Returns what people asked for, in the order of asking.

    Who asked before the days began does so at their beginning, since the house knows nothing then.

    Args:
        scenario: with a history.
        start: of the first day.
        days: how many; trips that start later are left out.
    """
    assert scenario.history is not None
    end = start + timedelta(days=days)
    bookings = [each for each in scenario.history.bookings if start < each.start < end]
    early = [each for each in bookings if each.asked_at < start + _FIRST_ASKED]
    asked = {
        id(each): start
        + _FIRST_ASKED
        + timedelta(minutes=_ASKED_WITHIN_MINUTES * place // len(early))
        for place, each in enumerate(early)
    }
    found = [
        _wish(number, each, asked.get(id(each), utc(each.asked_at)))
        for number, each in enumerate(bookings)
    ]
    found.sort(key=lambda wish: (wish.asked_at, wish.start, wish.id))
    return found


def _wish(number: int, booking: PastBooking, asked_at: datetime) -> Wish:
    starts = utc(booking.start)
    return Wish(
        id=f"wish-{starts:%Y%m%d}-{number:05d}",
        driver_id=f"driver-{booking.driver:03d}",
        asked_at=min(asked_at, starts - timedelta(minutes=1)).replace(second=0, microsecond=0),
        start=starts,
        end=utc(booking.end),
        pickup_site_id=booking.pickup_site,
        dropoff_site_id=booking.dropoff_site,
        distance_km=booking.distance_km,
        vehicle_class=booking.vehicle_class,
        habits=Habits(
            consumption_factor=booking.consumption_factor,
            leaves_after_minutes=booking.leaves_after_minutes,
            returns_after_minutes=booking.returns_after_minutes,
            plugs_in_after_minutes=booking.plugs_in_after_minutes,
            takes_alternative=False,
            cancels_before_minutes=booking.cancels_before_minutes,
        ),
    )


def prices_at(scenario: Scenario, site: SiteSpec, start: datetime, steps: int) -> SitePrices:
    """Returns the prices of a site for so many steps from an instant on.

    After the last day of a history its prices go on as on that day.
    """
    instants = [start + timedelta(minutes=STEP_MINUTES * step) for step in range(steps)]
    prices, past = scenario.prices, site.history
    first = (start - utc(scenario.start)) // timedelta(minutes=STEP_MINUTES)
    return SitePrices(
        (past and _from_step(past.import_price_per_kwh, first, steps))
        or hourly(prices.import_price_per_kwh, scenario, instants),
        (past and _from_step(past.export_price_per_kwh, first, steps))
        or (prices.export_price_per_kwh,) * steps,
        (past and _from_step(past.import_co2_g_per_kwh, first, steps))
        or hourly(prices.import_co2_g_per_kwh, scenario, instants),
    )


def _from_step(values: Sequence[float], first: int, steps: int) -> tuple[float, ...]:
    if not values:
        return ()
    last_day = values[-STEPS_PER_DAY:]
    beyond = len(values)
    return tuple(
        values[step] if step < beyond else last_day[(step - beyond) % STEPS_PER_DAY]
        for step in range(first, first + steps)
    )


def hourly(
    values: Sequence[float], scenario: Scenario, instants: Iterable[datetime]
) -> tuple[float, ...]:
    """Returns the values of a local-hour list at each of the instants."""
    zone = scenario.zone
    return tuple(values[instant.astimezone(zone).hour] for instant in instants)
