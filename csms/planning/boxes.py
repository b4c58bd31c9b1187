"""What boxes do without us: those that can't be heard, that don't obey, or that hold a stranger.

A plan can't move what flows there. It is not counted on as charge, since a box that can't be heard
may be dead as well as alone, and its power is taken off the circuits before they are shared out:
alone, a box goes by the schedule that it holds, and after that by its safe limit. A box that has
broken a limit lately may do so again: it is planned, but its circuits bear its full power. And who
plugs in next draws the safe limit until a plan knows of them: what those who hang there now could
use up is kept free for that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from csms.planning.queries import Rows
from csms.planning.rules import DEAD_BAND_W, SENT_AHEAD, limit_at, read_periods
from csms.stations.rules import (
    OUT_OF_SERVICE,
    PHASES,
    phase_loads_w,
    phases_of,
    rated_power_w,
)
from models.tables.charging import ChargingLimit, Transaction
from models.tables.energy import Circuit
from models.tables.stations import Connector, Evse, Station
from models.timeline import StepGrid

AWAY_FOR = SENT_AHEAD
"""How long a box that can't be heard is not counted on; each plan asks anew."""
RESERVED_FOR = timedelta(hours=1)
"""How far ahead the power of such a box is taken off its circuits: four plans by the clock."""
_MAY_BE_IN_BOX = ("sent", "accepted", "obeyed", "disobeyed", "unknown")
"""Limits that a box may go by: what is queued has not left, what was rejected is not kept."""

Span = tuple[int, int]
Series = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Boxes:
    """The EVSEs that can't be planned as they stand, called `IDENTITY/EVSE`."""

    unavailable: Mapping[str, tuple[Span, ...]]
    """Steps in which nothing is planned there."""
    held_w: Mapping[str, float]
    """What may flow there all the same, in W."""
    held_whole: frozenset[str]
    """Those of them that may be planned, and whose full power is held."""
    free_w: Mapping[str, float]
    """What the next car may draw there before a plan knows of it, in W, where none hangs."""
    taken_w: Mapping[str, float]
    """The most that a plan can give to the cars that hang there now, in W."""

    def left_w(
        self, circuit: Circuit, evses: Iterable[Evse], parents: Mapping[str, str | None]
    ) -> float:
        """Returns what a circuit has left for the plan, in W."""
        below = [evse_name(e) for e in evses if circuit.id in above(e.circuit_id, parents)]
        left_w = circuit.limit_w - circuit.unmanaged_load_w
        left_w -= sum(self.held_w.get(name, 0.0) for name in below)
        free_w = sum(self.free_w.get(name, 0.0) for name in below)
        taken_w = [self.taken_w[name] for name in below if name in self.taken_w]
        if free_w + sum(taken_w) > left_w:
            # A limit in a box may be a little above the plan's: so small a change is not sent.
            left_w -= free_w + DEAD_BAND_W * len(taken_w)
        return max(0.0, left_w)

    def phases_left_w(
        self, circuit: Circuit, evses: Iterable[Evse], parents: Mapping[str, str | None]
    ) -> tuple[float, float, float] | None:
        """Returns what the phases of a circuit have left for the plan; None: they have no limit."""
        if circuit.phase_limits_w is None:
            return None
        below = [e for e in evses if circuit.id in above(e.circuit_id, parents)]
        held_w, free_w, taken_w = (
            self.on_phases_w(below, each) for each in (self.held_w, self.free_w, self.taken_w)
        )
        taken = Counter(
            phase
            for evse in below
            if evse_name(evse) in self.taken_w
            for phase in phases_of(evse.phases, evse.wired_to)
        )
        left: list[float] = []
        for phase, limit_w in zip(PHASES, circuit.phase_limits_w, strict=True):
            left_w = limit_w - circuit.unmanaged_load_w / len(PHASES) - held_w[phase]
            if free_w[phase] + taken_w[phase] > left_w:
                left_w -= free_w[phase] + DEAD_BAND_W * taken[phase]
            left.append(max(0.0, left_w))
        return left[0], left[1], left[2]

    def on_phases_w(self, evses: Iterable[Evse], powers_w: Mapping[str, float]) -> dict[str, float]:
        """Returns the most that may flow on each phase, where EVSEs give so much, in W."""
        total_w = dict.fromkeys(PHASES, 0.0)
        for evse in evses:
            power_w = powers_w.get(evse_name(evse), 0.0)
            rated_w = rated_power_w(evse.max_power_w, evse.phases)
            phases = phases_of(evse.phases, evse.wired_to)
            is_dc = evse.current_type == "DC"
            for phase, on_it_w in phase_loads_w(power_w, rated_w, phases, is_dc=is_dc).items():
                total_w[phase] += on_it_w
        return total_w

    def lowered_w(self, limit_w: Series, names: Iterable[str]) -> Series:
        """Returns what a limit for a while leaves for the plan of these EVSEs, in W.

        Nothing is kept for who comes next: while such a limit holds, that car is cut at once.
        """
        known = [*names]
        held_w = sum(self.held_w.get(name, 0.0) for name in known)
        # A limit in a box may be a little above the plan's: so small a change is not sent.
        slack_w = DEAD_BAND_W * sum(name in self.taken_w for name in known)
        return np.maximum(limit_w - held_w - slack_w, 0.0)

    def circuit_of(self, evse: Evse) -> str | None:
        """Returns the circuit that an EVSE shares in; None: all that it may draw is held."""
        return None if evse_name(evse) in self.held_whole else evse.circuit_id


def evse_name(row: Evse | Connector | Transaction | ChargingLimit) -> str:
    """Returns what the EVSE that a row is about is called in plans."""
    return f"{row.station}/{row.evse_id}"


def least_power_w(evse: Evse) -> float:
    """Returns the least that an EVSE gives when it gives anything, in W: 6 A on its phases."""
    least_w = 1380.0 * evse.phases if evse.current_type == "AC" else 0.0
    return least_w if evse.min_power_w is None else evse.min_power_w


def is_unheard(station: Station) -> bool:
    """Returns whether a station was here and is not now: it goes by what it holds."""
    return station.last_seen is not None and not station.online


def look_at_boxes(
    rows: Rows,
    grid: StepGrid,
    now: datetime,
    *,
    lying: frozenset[str],
    limits: Mapping[str, ChargingLimit],
) -> Boxes:
    """Returns what can't be planned at `now`.

    Args:
        rows: what is known.
        grid: of the plan.
        now: the present.
        lying: EVSEs that were caught not keeping their limit.
        limits: the newest limit that may be in the box, by EVSE.
    """
    whole = ((0, grid.steps),)
    away = ((0, min(grid.steps, grid.ceil(now + AWAY_FOR))),)
    out = {evse_name(c) for c in rows.connectors if c.status in OUT_OF_SERVICE}
    open_at = {evse_name(t): t for t in rows.transactions}
    outlets = Counter(evse.station for evse in rows.evses)
    in_box = {evse_name(r): r for r in rows.limits if r.state in _MAY_BE_IN_BOX}
    unavailable: dict[str, tuple[Span, ...]] = {}
    held_w: dict[str, float] = {}
    held_whole: set[str] = set()
    free_w: dict[str, float] = {}
    taken_w: dict[str, float] = {}
    for evse in rows.evses:
        name, station = evse_name(evse), rows.stations[evse.station]
        rated_w = rated_power_w(evse.max_power_w, evse.phases)
        share_w = safe_share_w(station, outlets[evse.station], rated_w)
        caught = evse.station in rows.caught
        safe_w = rated_w if share_w is None or caught else share_w
        transaction, held = open_at.get(name), in_box.get(name)
        stranger = transaction is not None and transaction.vehicle_id is None
        if name in out or stranger or name in lying:
            unavailable[name] = whole
        elif not station.online:
            unavailable[name] = away
        if name in lying:
            held_w[name] = rated_w
        elif stranger:
            held_w[name] = _stranger_w(held, safe_w, now)
        elif transaction is not None and _breaks_limits(evse, transaction, rows, limits):
            held_w[name] = rated_w
            held_whole.add(name)
        elif station.online and transaction is not None:
            taken_w[name] = rated_w
        elif station.online and name not in out:
            free_w[name] = 0.0 if share_w is None else safe_w
        elif is_unheard(station):
            held_w[name] = rated_w if caught else min(rated_w, by_itself_w(held, safe_w, now))
    return Boxes(unavailable, held_w, frozenset(held_whole), free_w, taken_w)


def _breaks_limits(
    evse: Evse, transaction: Transaction, rows: Rows, limits: Mapping[str, ChargingLimit]
) -> bool:
    """Returns whether a box was caught lately, or did not take what it was sent last."""
    if evse.station in rows.caught:
        return True
    last = limits.get(evse_name(evse))
    return (
        last is not None
        and last.ocpp_transaction_id == transaction.ocpp_transaction_id
        and last.state in ("rejected", "unknown")
    )


def safe_share_w(station: Station, outlets: int, rated_w: float) -> float | None:
    """Returns what an EVSE may give by the safe limit in its box, which all its EVSEs share.

    None: there is none. Then the box gives what it can, and nothing is kept for the next car: who
    shares a circuit with many free EVSEs would never charge.
    """
    if station.safe_limit_w is None:
        return None
    return min(rated_w, station.safe_limit_w / max(1, outlets))


def _stranger_w(limit: ChargingLimit | None, safe_w: float, now: datetime) -> float:
    """Returns what an EVSE gives to a car that nobody knows: only the grid's limits cut that.

    Each plan asks anew, and the end of such a limit asks for a plan.
    """
    if limit is None or limit.state not in ("accepted", "obeyed"):
        return safe_w
    cut_w = limit_at(read_periods(limit.periods), now)
    over = limit.valid_to is None or limit.valid_to <= now
    return safe_w if cut_w is None or over else min(safe_w, cut_w)


def by_itself_w(limit: ChargingLimit | None, safe_w: float, now: datetime) -> float:
    """Returns the most that a box lets flow by itself in the time that matters.

    That is no less than the safe limit, which holds as soon as another car comes or the box begins
    anew after a loss of power.
    """
    if limit is None or limit.valid_to is None or limit.valid_to <= now:
        return safe_w
    periods = read_periods(limit.periods)
    until = now + RESERVED_FOR
    instants = [now, *(each.from_at for each in periods if now < each.from_at < until)]
    powers_w = [power_w for at in instants if (power_w := limit_at(periods, at)) is not None]
    return max(safe_w, *powers_w)


def above(circuit_id: str | None, parents: Mapping[str, str | None]) -> list[str]:
    """Returns a circuit and all that it hangs on."""
    found: list[str] = []
    while circuit_id is not None and circuit_id not in found:
        found.append(circuit_id)
        circuit_id = parents.get(circuit_id)
    return found
