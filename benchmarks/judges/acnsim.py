"""The contest in ACN-Sim: our planner and its sorted algorithms on the same days.

The networks of Caltech and JPL, as the package has them: EVSEs between two lines, panels and
transformers with limits on each line, stations that know only some currents. The package's own
generator draws the sessions, from a mixture that looks like a workplace (its measured sessions need
a download); who finds no free EVSE drives on. What counts is what drivers get of what they want,
what the energy and its peak cost by the package's tariff, and that no limit is exceeded.

Source: Z. Lee et al., ACN-Sim, IEEE SmartGridComm 2019; package `acnportal` 0.3.3.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from benchmarks.judges.acn_wiring import Wiring
from benchmarks.judges.standing import Moment, Rolling, Standing
from benchmarks.judges.tables import plans, table

SITES = {"caltech": 60, "jpl": 55}
"""With sessions of a working day."""
PERIOD_MINUTES = 5
REPLAN_STEPS = 3
_READY_STEPS = 3
"""How long before it leaves a car should be ready: stations round currents, and others come."""
MONDAY = datetime(2019, 6, 3, tzinfo=UTC)
TARIFF = "sce_tou_ev_4_march_2019"
_SHARES = (0.7, 0.3)
_MEANS = ((8.8, 7.5, 14.0), (13.0, 3.0, 8.0))
"""Arrival (hour), stay (h) and energy (kWh) of those who stay all day, and of others."""
_SPREADS = ((1.2, 1.8, 6.0), (2.5, 1.2, 4.0))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one algorithm made of all days."""

    delivered: float
    """Of the energy that was wanted."""
    met: float
    """Of the sessions that lack less than 0.1 kWh in the end."""
    energy_cost: float
    peak_cost: float
    peak_kw: float
    violations: int
    """Limits times periods in which one was exceeded by more than 0.01 A."""


def sorted_algorithms() -> dict[str, Any]:
    """Returns the package's sorted algorithms.

    Raises:
        ImportError: if the package is not installed.
    """
    from acnportal import algorithms as known  # noqa: PLC0415 - not among the requirements

    rules = {
        "earliest deadline first": known.earliest_deadline_first,
        "least laxity first": known.least_laxity_first,
        "first come first served": known.first_come_first_served,
        "last come first served": known.last_come_first_served,
        "largest remaining time": known.largest_remaining_processing_time,
    }
    found = {name: known.SortedSchedulingAlgo(rule) for name, rule in rules.items()}
    found["round robin"] = known.RoundRobin(known.first_come_first_served)
    return found


def our_algorithm(rolling: Rolling) -> Any:
    """Returns our planner as an algorithm of the package."""
    from acnportal.algorithms import BaseAlgorithm  # noqa: PLC0415

    class Ours(BaseAlgorithm):
        """Plans at each arrival and departure, and every 15 minutes."""

        def __init__(self) -> None:
            super().__init__()
            self.max_recompute = REPLAN_STEPS
            self._wiring: Wiring | None = None

        def schedule(self, active_sessions: Sequence[Any]) -> dict[str, list[float]]:
            """Returns the currents of the next 15 minutes, by station."""
            if not active_sessions:
                return {}
            told = self.interface.infrastructure_info()
            self._wiring = self._wiring or Wiring(told)
            return planned(self._wiring, told, self.interface, active_sessions, rolling)

    return Ours()


def planned(
    wiring: Wiring, told: Any, interface: Any, sessions: Sequence[Any], rolling: Rolling
) -> dict[str, list[float]]:
    """Returns the currents of the first steps, planned with as large limits as turn out lawful."""
    volts = {name: told.voltages[number] for number, name in enumerate(told.station_ids)}
    rates_a = np.zeros((len(told.station_ids), REPLAN_STEPS))
    for scale in wiring.scales:
        moment = moment_of(wiring, told, interface, sessions, scale)
        powers_w = rolling.powers_w(moment, REPLAN_STEPS)
        for number, name in enumerate(told.station_ids):
            rates_a[number] = [step.get(name, 0.0) / volts[name] for step in powers_w]
        if wiring.kept(rates_a):
            break
    rates_a = wiring.rounded(rates_a)
    return {name: rates_a[n].tolist() for n, name in enumerate(told.station_ids)}


def moment_of(
    wiring: Wiring, told: Any, interface: Any, sessions: Sequence[Any], scale: float
) -> Moment:
    """Returns what the interface shows of now; cars are called after their stations."""
    cars = tuple(_standing(wiring, told, interface.period, session) for session in sessions)
    steps = max(max(car.leaves_step for car in cars) + 1, REPLAN_STEPS)
    prices = tuple(np.asarray(interface.get_prices(steps), dtype=np.float64).tolist())
    return Moment(
        start=interface.current_datetime,
        step_minutes=int(interface.period),
        evses=wiring.evses(),
        circuits=wiring.circuits(scale),
        cars=cars,
        buy_per_kwh=prices,
        sell_per_kwh=(0.0,) * steps,
        peak_price_per_kw=float(interface.get_demand_charge()),
        # Told in amperes, all at one voltage.
        peak_so_far_w=float(interface.get_prev_peak() * told.voltages[0]),
    )


def _standing(wiring: Wiring, told: Any, period_minutes: float, session: Any) -> Standing:
    number = told.get_station_index(session.station_id)
    # What lacks may be less than the station's least in one step.
    least_wh = wiring.least_a(number) * told.voltages[number] * period_minutes / 60
    lacks_wh = max(1000 * session.remaining_demand, float(least_wh))
    held_wh = 1000 * float(session.energy_delivered)
    return Standing(
        id=session.station_id,
        evse=session.station_id,
        leaves_step=max(int(session.estimated_departure - session.current_time) - _READY_STEPS, 1),
        soc_wh=held_wh,
        wanted_wh=held_wh + lacks_wh,
        capacity_wh=held_wh + lacks_wh,
        max_power_w=float(told.max_pilot[number] * told.voltages[number]),
        phases=2,
    )


def events(site: str, days: int, seed: int) -> Any:
    """Returns a queue of sessions on EVSEs that are free when they begin."""
    from acnportal.acnsim.events import EventQueue, GaussianMixtureEvents, PluginEvent  # noqa: PLC0415
    from sklearn.mixture import GaussianMixture  # noqa: PLC0415 - comes with the package

    mixture = GaussianMixture(n_components=2, covariance_type="diag", random_state=seed)
    mixture.weights_, mixture.means_ = np.array(_SHARES), np.array(_MEANS)
    mixture.covariances_ = np.array(_SPREADS) ** 2
    mixture.precisions_cholesky_ = 1 / np.array(_SPREADS)
    # One state for all days: from a number each would be the same.
    mixture.random_state = np.random.RandomState(seed)
    drawn = GaussianMixtureEvents(
        pretrained_model=mixture, duration_min=0.5, duration_max=14.0, energy_min=1.0
    ).generate_events(
        [SITES[site] if day % 7 < 5 else SITES[site] // 5 for day in range(days)],
        PERIOD_MINUTES,
        208,
        32 * 208 / 1000,
        force_feasible=True,
    )
    random = np.random.default_rng(seed)
    free_from = dict.fromkeys(network(site).station_ids, 0)
    kept: list[Any] = []
    cars = [event.ev for _, event in drawn.queue]
    for ev in sorted(cars, key=lambda ev: (ev.arrival, ev.session_id)):
        free = [name for name, step in free_from.items() if step < ev.arrival]
        if free and ev.departure > ev.arrival:
            ev.update_station_id(free[int(random.integers(len(free)))])
            free_from[ev.station_id] = ev.departure
            kept.append(PluginEvent(ev.arrival, ev))
    return EventQueue(kept)


def network(site: str) -> Any:
    """Returns one of the package's networks."""
    from acnportal.acnsim.network import sites  # noqa: PLC0415

    return {"caltech": sites.caltech_acn, "jpl": sites.jpl_acn}[site]()


def played(site: str, algorithm: Any, queue: Any) -> Outcome:
    """Plays all days with one algorithm."""
    from acnportal import acnsim  # noqa: PLC0415
    from acnportal.signals.tariffs import TimeOfUseTariff  # noqa: PLC0415

    tariff = TimeOfUseTariff(TARIFF)
    simulator = acnsim.Simulator(
        network(site),
        algorithm,
        copy.deepcopy(queue),
        MONDAY,
        period=PERIOD_MINUTES,
        signals={"tariff": tariff},
        verbose=False,
    )
    simulator.run()
    grid = simulator.network
    sums = np.abs(grid.constraint_current(simulator.charging_rates))
    return Outcome(
        delivered=float(acnsim.proportion_of_energy_delivered(simulator)),
        met=float(acnsim.proportion_of_demands_met(simulator)),
        energy_cost=float(acnsim.energy_cost(simulator, tariff)),
        peak_cost=float(acnsim.demand_charge(simulator, tariff)),
        peak_kw=float(acnsim.aggregate_power(simulator).max()),
        violations=int((sums > grid.magnitudes[:, None] + 0.01).sum()),
    )


def run(site: str, days: int, seed: int) -> Iterator[str]:
    """Yields the table of one network, line by line."""
    queue, rolling = events(site, days, seed), Rolling()
    contestants = {"our planner": our_algorithm(rolling), **sorted_algorithms()}
    rows: list[tuple[str, ...]] = []
    for name, algorithm in contestants.items():
        rows.append(_row(name, played(site, algorithm, queue)))
        yield f"{site}: {', '.join(rows[-1])}\n"
    sessions = f"{len(queue.queue)} sessions in {days} days from a Monday in June, seed {seed}"
    yield f"\nACN-Sim, {site}: {sessions}\n\n{table(_HEAD, rows)}\n{plans([rolling])}\n"


_HEAD = (
    "",
    "delivered",
    "sessions met",
    "energy cost",
    "peak cost",
    "together",
    "peak kW",
    "over a limit",
)


def _row(name: str, found: Outcome) -> tuple[str, ...]:
    return (
        name,
        f"{found.delivered:.4f}",
        f"{found.met:.4f}",
        f"{found.energy_cost:.2f}",
        f"{found.peak_cost:.2f}",
        f"{found.energy_cost + found.peak_cost:.2f}",
        f"{found.peak_kw:.1f}",
        str(found.violations),
    )
