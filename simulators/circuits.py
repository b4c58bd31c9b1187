"""Fuses: what flows through each circuit of the town, and for how long it was too much.

Kept by the physics of the stations, second by second, whatever the service believes. Limits travel
and stations take their time: while one is already up and the other not yet down, a circuit may be
over its limit. That lasts no longer than the slowest station on it takes to react; what lasts
longer is a mistake of whoever gave the limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from simulators.scenario import SiteSpec
from simulators.scorecard import CircuitTruth
from simulators.station import Station

TOLERANCE_W = 1.0
"""Sums of plans are exact to a watt."""


@dataclass(slots=True)
class _Circuit:
    id: str
    limit_w: float
    reaction_s: float
    """Of the slowest station on it or below it."""
    pieces: list[tuple[datetime, datetime, float]] = field(
        default_factory=list[tuple[datetime, datetime, float]]
    )
    """From, to and watts of what has flowed since the last look."""
    over_since: datetime | None = None
    over_until: datetime | None = None
    over_s: float = 0.0
    beyond_s: float = 0.0
    peak_w: float = 0.0

    def over(self, start: datetime, end: datetime) -> None:
        """Notes that too much flowed; a stretch that follows the last at once is the same."""
        if self.over_since is None or self.over_until != start:
            self.over_since = start
        already_s = (start - self.over_since).total_seconds()
        whole_s = (end - self.over_since).total_seconds()
        self.over_s += whole_s - already_s
        self.beyond_s += max(0.0, whole_s - self.reaction_s) - max(0.0, already_s - self.reaction_s)
        self.over_until = end


class Fuses:
    """All circuits of a town."""

    def __init__(self, sites: Iterable[SiteSpec], stations: Mapping[str, Station]) -> None:
        """Takes the sites, and their stations by identity."""
        self._circuits: dict[str, _Circuit] = {}
        self._above: dict[str, tuple[_Circuit, ...]] = {}
        """The circuits that a station's power flows through."""
        for site in sites:
            for circuit in site.circuits:
                self._circuits[circuit.id] = _Circuit(circuit.id, circuit.limit_w, 0.0)
            for spec in site.stations:
                reaction_s = stations[spec.identity].limits.reaction_s
                above = [self._circuits[name] for name in site.circuits_above(spec.circuit)]
                for circuit in above:
                    circuit.reaction_s = max(circuit.reaction_s, reaction_s)
                self._above[spec.identity] = tuple(above)

    def flowed(self, station: str, start: datetime, seconds: float, energy_wh: float) -> None:
        """Notes a piece of constant power at one of a station's EVSEs."""
        piece = (start, start + timedelta(seconds=seconds), energy_wh * 3600 / seconds)
        for circuit in self._above[station]:
            circuit.pieces.append(piece)

    def look(self) -> None:
        """Adds up what has flowed since the last look; every piece until now is there."""
        for circuit in self._circuits.values():
            if circuit.pieces:
                _add_up(circuit)
                circuit.pieces.clear()

    def truth(self) -> tuple[CircuitTruth, ...]:
        """Returns what each circuit had to bear."""
        return tuple(
            CircuitTruth(
                id=each.id,
                limit_w=each.limit_w,
                peak_w=round(each.peak_w, 1),
                over_limit_s=round(each.over_s, 3),
                beyond_reaction_s=round(each.beyond_s, 3),
            )
            for each in self._circuits.values()
        )


def _add_up(circuit: _Circuit) -> None:
    whole_w = sum(power_w for _, _, power_w in circuit.pieces)
    if whole_w <= circuit.peak_w and whole_w <= circuit.limit_w:
        return  # not even all at once would be anything new
    edges = sorted({edge for start, end, _ in circuit.pieces for edge in (start, end)})
    for start, end in pairwise(edges):
        power_w = sum(w for begin, until, w in circuit.pieces if begin <= start and end <= until)
        circuit.peak_w = max(circuit.peak_w, power_w)
        if power_w > circuit.limit_w + TOLERANCE_W:
            circuit.over(start, end)
