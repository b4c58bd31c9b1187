"""Cars that stand until a known step and want energy by then, as a planning problem.

Judges know drivers' wishes and no bookings. A wish is said as the worth of what a car holds in the
end, up to what it wants: far above any price, so that energy comes before cost, and what can't be
had for all is shared and not refused. From the step it leaves at, its EVSE gives nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from scheduler.plan import Plan
from scheduler.problem import Circuit, Evse, Problem, Site, Vehicle
from scheduler.rolling import Level, PlanOptions, incumbent_for, plan_with_level

WORTH_PER_KWH = 200.0
"""Of energy that a driver wants; 15 USD per kW of peak are 180 USD for a kWh within 5 minutes."""
_NO_LIMIT_W = 1e7


@dataclass(frozen=True, slots=True)
class Standing:
    """A car on an EVSE; power at the side where the judge meters and bills it."""

    id: str
    evse: str
    leaves_step: int
    """The first one in which it no longer charges."""
    soc_wh: float
    wanted_wh: float
    capacity_wh: float
    max_power_w: float
    least_wh: float = 0.0
    max_discharge_w: float = 0.0
    taper: tuple[tuple[float, float], ...] = ()
    phases: int = 3
    arrives_step: int = 0


@dataclass(frozen=True, slots=True)
class Moment:
    """What a judge shows: prices by step from now on, and who stands where."""

    start: datetime
    step_minutes: int
    evses: tuple[Evse, ...]
    circuits: tuple[Circuit, ...]
    cars: tuple[Standing, ...]
    buy_per_kwh: tuple[float, ...]
    sell_per_kwh: tuple[float, ...]
    peak_price_per_kw: float = 0.0
    peak_so_far_w: float = 0.0


def problem_of(moment: Moment) -> Problem:
    """Returns the planning problem; all series must be as long as the prices."""
    steps = len(moment.buy_per_kwh)
    leaves = {car.evse: car.leaves_step for car in moment.cars}
    evses = tuple(
        replace(evse, unavailable=((leaves[evse.id], steps),))
        if leaves.get(evse.id, steps) < steps
        else evse
        for evse in moment.evses
    )
    site = Site(
        id="site",
        import_limit_w=_NO_LIMIT_W,
        export_limit_w=_NO_LIMIT_W,
        pv_power_w=(0.0,) * steps,
        load_power_w=(0.0,) * steps,
        import_price_per_kwh=moment.buy_per_kwh,
        export_price_per_kwh=moment.sell_per_kwh,
        evses=evses,
        circuits=moment.circuits,
        peak_price_per_kw=moment.peak_price_per_kw,
        peak_so_far_w=moment.peak_so_far_w,
    )
    return Problem(
        start=moment.start,
        step_minutes=moment.step_minutes,
        steps=steps,
        sites=(site,),
        vehicles=tuple(_vehicle(car) for car in moment.cars),
        bookings=(),
        terminal_value_per_kwh=WORTH_PER_KWH,
    )


def _vehicle(car: Standing) -> Vehicle:
    return Vehicle(
        id=car.id,
        vehicle_class="any",
        site="site",
        evse=car.evse,
        available_from=car.arrives_step,
        soc_wh=car.soc_wh,
        capacity_wh=car.capacity_wh,
        min_soc_wh=car.least_wh,
        # Whoever holds more than was wanted may give it and take it back.
        max_soc_wh=max(car.wanted_wh, car.soc_wh),
        max_ac_power_w=car.max_power_w,
        consumption_wh_per_km=0.0,
        charge_efficiency=1.0,
        max_discharge_w=car.max_discharge_w,
        taper=car.taper,
        ac_phases=car.phases,
    )


class Rolling:
    """The planner as the service runs it: each plan knows the one before."""

    def __init__(self, options: PlanOptions = PlanOptions()) -> None:  # noqa: B008 - frozen
        self._options = options
        self._former: tuple[datetime, Plan] | None = None
        self.levels: dict[Level, int] = {}
        """How many plans came from which level of the planner's chain."""
        self.refused = 0
        """How many the referee would not have let out."""
        self.longest_s = 0.0

    def powers_w(self, moment: Moment, steps: int = 1) -> list[dict[str, float]]:
        """Returns what each car that charges or gives back does in the first `steps`."""
        problem = problem_of(moment)
        began_s = time.monotonic()
        made = plan_with_level(
            problem,
            incumbent=incumbent_for(problem, former=self._former, promised={}),
            options=self._options,
            monotonic=time.monotonic,
        )
        self.longest_s = max(self.longest_s, time.monotonic() - began_s)
        self.levels[made.level] = self.levels.get(made.level, 0) + 1
        self.refused += bool(made.violations)
        self._former = (problem.start, made.plan)
        powers_w: list[dict[str, float]] = [{} for _ in range(steps)]
        for each in made.plan.charging:
            for step in range(each.from_step, min(each.to_step, steps)):
                powers_w[step][each.vehicle] = each.power_w
        return powers_w


def at(start: datetime, step: int, step_minutes: int) -> datetime:
    """Returns when a step begins."""
    return start + timedelta(minutes=step * step_minutes)
