"""What boxes do without us: those that can't be heard, that don't obey, or that hold a stranger.

A plan can't move what flows there. It is not counted on as charge, since a box that can't be heard
may be dead as well as alone, and its power is taken off the circuits before they are shared out:
alone, a box goes by the schedule that it holds, and after that by its safe limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from csms.planning.queries import Rows
from csms.planning.rules import SENT_AHEAD, limit_at, read_periods
from csms.stations.rules import rated_power_w
from models.tables.charging import ChargingLimit
from models.tables.energy import Circuit
from models.tables.stations import Evse, Station
from models.timeline import StepGrid

AWAY_FOR = SENT_AHEAD
"""How long a box that can't be heard is not counted on; each plan asks anew."""
RESERVED_FOR = timedelta(hours=1)
"""How far ahead the power of such a box is taken off its circuits: four plans by the clock."""
OUT_OF_SERVICE = ("Faulted", "Unavailable")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Boxes:
    """The EVSEs that can't be planned as they stand, called `IDENTITY/EVSE`."""

    unavailable: Mapping[str, tuple[Span, ...]]
    """Steps in which nothing is planned there."""
    held_w: Mapping[str, float]
    """What may flow there all the same, in W."""

    def left_w(
        self, circuit: Circuit, evses: Iterable[Evse], parents: Mapping[str, str | None]
    ) -> float:
        """Returns what a circuit has left for the plan, in W."""
        held_w = sum(
            self.held_w.get(evse_name(each), 0.0)
            for each in evses
            if circuit.id in _above(each.circuit_id, parents)
        )
        return max(0.0, circuit.limit_w - circuit.unmanaged_load_w - held_w)


def evse_name(evse: Evse) -> str:
    """Returns what an EVSE is called in plans."""
    return f"{evse.station}/{evse.evse_id}"


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
    out = {f"{c.station}/{c.evse_id}" for c in rows.connectors if c.status in OUT_OF_SERVICE}
    strangers = {f"{t.station}/{t.evse_id}" for t in rows.transactions if t.vehicle_id is None}
    outlets: dict[str, int] = {}
    for evse in rows.evses:
        outlets[evse.station] = outlets.get(evse.station, 0) + 1
    unavailable: dict[str, tuple[Span, ...]] = {}
    held_w: dict[str, float] = {}
    for evse in rows.evses:
        name, station = evse_name(evse), rows.stations[evse.station]
        rated_w = rated_power_w(evse.max_power_w, evse.phases)
        if name in out or name in strangers or name in lying:
            unavailable[name] = whole
        elif not station.online:
            unavailable[name] = away
        safe_w = _safe_w(station, outlets[evse.station], rated_w)
        if name in lying:
            held_w[name] = rated_w
        elif name in strangers:
            held_w[name] = safe_w
        elif not station.online and station.last_seen is not None:
            held_w[name] = min(rated_w, _by_itself_w(limits.get(name), safe_w, now))
    return Boxes(unavailable, held_w)


def _safe_w(station: Station, outlets: int, rated_w: float) -> float:
    """Returns what an EVSE may give by the safe limit in its box, which all its EVSEs share."""
    if station.safe_limit_w is None:
        return rated_w
    return min(rated_w, station.safe_limit_w / max(1, outlets))


def _by_itself_w(limit: ChargingLimit | None, safe_w: float, now: datetime) -> float:
    """Returns the most that a box lets flow by itself in the time that matters."""
    if limit is None or limit.valid_to is None or limit.valid_to <= now:
        return safe_w
    periods = read_periods(limit.periods)
    until = now + RESERVED_FOR
    instants = [now, *(each.from_at for each in periods if now < each.from_at < until)]
    powers_w = [power_w for at in instants if (power_w := limit_at(periods, at)) is not None]
    if limit.valid_to < until:
        powers_w.append(safe_w)
    return max(powers_w, default=safe_w)


def _above(circuit_id: str | None, parents: Mapping[str, str | None]) -> list[str]:
    """Returns a circuit and all that it hangs on."""
    found: list[str] = []
    while circuit_id is not None and circuit_id not in found:
        found.append(circuit_id)
        circuit_id = parents.get(circuit_id)
    return found
