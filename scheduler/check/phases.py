"""The referee on phases: what each of L1, L2 and L3 carries on circuits and at the connection.

A car with AC loads as many of its EVSE's phases as it charges on, the first ones, alike; one with
DC loads all of them. Building, site battery and sun are on all phases alike, and so is a circuit's
load that is given as one series.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from scheduler.check.findings import TOLERANCE_W, Findings, Mask, Series
from scheduler.plan import Charging
from scheduler.problem import Circuit, Evse, Phase, Site, Vehicle

PHASES: Final[tuple[Phase, ...]] = ("L1", "L2", "L3")


def phases_used(vehicle: Vehicle, evse: Evse) -> tuple[Phase, ...]:
    """Returns the phases that a car loads at an EVSE; none where they are not known."""
    return evse.phases if evse.current_type == "DC" else evse.phases[: vehicle.ac_phases]


def loads_of(site: Site) -> dict[str, Series]:
    """Returns what can't be moved on each circuit and below it, by phase (3 rows) and step."""
    shape = (3, len(site.pv_power_w))
    below: dict[str, Series] = {circuit.id: np.zeros(shape) for circuit in site.circuits}
    parents = {circuit.id: circuit.parent for circuit in site.circuits}
    for circuit in site.circuits:
        name: str | None = circuit.id if circuit.load_w else None
        while name is not None:
            # One series is dealt out alike.
            below[name] += np.array(circuit.load_w) * (len(circuit.load_w) / 3)
            name = parents[name]
    return below


def judge_circuit_phases(
    site: Site,
    entries: Sequence[Charging],
    vehicles: Mapping[str, Vehicle],
    loads_w: Mapping[str, Series],
    findings: Findings,
) -> Series:
    """Judges the phases of circuits; returns what the cars of the site draw on each phase."""
    steps = len(site.pv_power_w)
    if site.phase_limits_w is None and all(c.phase_limits_w is None for c in site.circuits):
        return np.zeros((3, steps))
    evses = {evse.id: evse for evse in site.evses}
    circuits = {circuit.id: circuit for circuit in site.circuits}
    drawn_w: dict[str | None, Series] = {}
    for entry in entries:
        evse = evses.get(entry.evse)
        if evse is None:
            continue
        used = phases_used(vehicles[entry.vehicle], evse)
        place = evse.circuit
        while True:
            total_w = drawn_w.setdefault(place, np.zeros((3, steps)))
            for phase in used:
                row = total_w[PHASES.index(phase)]
                row[entry.from_step : entry.to_step] += entry.power_w / len(used)
            if place is None:
                break
            place = circuits[place].parent
    for circuit in site.circuits:
        if circuit.phase_limits_w is not None and circuit.id in drawn_w:
            _judge_circuit(site, circuit, drawn_w[circuit.id], loads_w[circuit.id], findings)
    return drawn_w.get(None, np.zeros((3, steps)))


def _judge_circuit(
    site: Site, circuit: Circuit, drawn_w: Series, load_w: Series, findings: Findings
) -> None:
    limits_w = circuit.phase_limits_w or ()
    for phase, limit_w, cars_w, other_w in zip(PHASES, limits_w, drawn_w, load_w, strict=True):
        total_w = cars_w + other_w
        wrong = beyond(total_w, limit_w, other_w)
        wish = f"W on {phase} of {circuit.id!r} is above its {limit_w:.6g} W"
        findings.add_where("circuit-phase", site.id, wrong, np.abs(total_w), wish)


def beyond(total_w: Series, limit_w: float, load_w: Series) -> Mask:
    """Returns where a total is beyond a limit either way, and further than the load by itself."""
    most_w, least_w = np.maximum(limit_w, load_w), np.minimum(-limit_w, load_w)
    return ~((total_w <= most_w + TOLERANCE_W) & (total_w >= least_w - TOLERANCE_W))


def judge_connection(
    site: Site, alone_w: Series, others_w: Series, drawn_w: Series, findings: Findings
) -> None:
    """Judges each phase of a site's import, of which all but the cars is on all phases alike.

    Where the building alone (`alone_w`, with all its PV) is beyond a limit, the cars may not add
    to it.
    """
    alone_w = alone_w / 3
    for phase, limit_w, mine_w in zip(PHASES, site.phase_limits_w or (), drawn_w, strict=False):
        total_w = mine_w + others_w / 3
        wrong = ~(total_w <= np.maximum(limit_w, alone_w) + TOLERANCE_W)
        wish = f"W on {phase} is above its import limit of {limit_w:.6g} W"
        findings.add_where("import-phase", site.id, wrong, total_w, wish)
        wrong = (alone_w > limit_w) & ~(mine_w <= TOLERANCE_W)
        wish = f"W drawn on {phase} while the building overloads it"
        findings.add_where("overload", site.id, wrong, mine_w, wish)
