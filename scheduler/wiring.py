"""The wiring of a site, as limits on sums of powers: circuits, and phases of all kinds.

What can't be moved is taken off already: a limit says what is left to cars. How they count in it
is said by `scheduler.view.Post.loads`; the rows of a program are in `scheduler.limits`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.problem import Site

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PHASES = ("L1", "L2", "L3")


@dataclass(frozen=True, slots=True)
class Limit:
    """What cars may draw and (negative) give together somewhere in the wiring, by step."""

    number: int
    """Over all sites."""
    name: str
    """Of the circuit (or of the site), with the phase where it is on one."""
    limit_w: float
    """With all else that draws there."""
    most_w: Floats
    least_w: Floats


@dataclass(frozen=True, slots=True)
class Wires:
    """The limits of one site."""

    parents: dict[str, str | None]
    whole: dict[str, Limit]
    """By circuit: of all phases together."""
    split: dict[str, tuple[Limit, ...]]
    """By circuit, where its phases have limits: of each."""
    grid: tuple[Limit, ...]
    """Of each phase of the connection, if it has them."""
    grid_import_w: tuple[Floats, ...]
    """Their limits, or what the building alone takes beyond them."""
    grid_no_draw: tuple[Bools, ...]
    """Where it does."""

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.whole) + 3 * len(self.split) + len(self.grid)

    def above(self, circuit: str | None) -> list[str]:
        """Returns a circuit and all above it."""
        line: list[str] = []
        while circuit is not None:
            line.append(circuit)
            circuit = self.parents[circuit]
        return line

    def phase_numbers(self, circuits: list[str]) -> tuple[tuple[int, ...], ...]:
        """Returns the numbers of the limits on L1, L2 and L3 of circuits and connection."""
        threes = [self.split[name] for name in circuits if name in self.split]
        threes += [self.grid] if self.grid else []
        return tuple(tuple(limit.number for limit in three) for three in threes)


def wires_of(site: Site, load_w: Floats, first: int) -> Wires:
    """Returns the limits of a site, numbered from `first` on; `load_w` is its building."""
    numbers, steps = itertools.count(first), len(load_w)
    parents = {circuit.id: circuit.parent for circuit in site.circuits}
    loads_w = _loads_w(site, parents, steps)
    whole = {
        circuit.id: _limit(
            next(numbers), circuit.id, circuit.limit_w, loads_w[circuit.id].sum(axis=0)
        )
        for circuit in site.circuits
    }
    split = {
        circuit.id: tuple(
            _limit(next(numbers), f"{circuit.id} {phase}", limit_w, load_w)
            for phase, limit_w, load_w in zip(
                PHASES, circuit.phase_limits_w, loads_w[circuit.id], strict=True
            )
        )
        for circuit in site.circuits
        if circuit.phase_limits_w is not None
    }
    pv_w = np.asarray(site.pv_power_w)
    grid: list[Limit] = []
    most_w: list[Floats] = []
    no_draw: list[Bools] = []
    for phase, limit_w in zip(PHASES, site.phase_limits_w or (), strict=False):
        alone_w = (load_w - pv_w) / 3
        # Of the sun only what may be used without the cars is sure.
        sure_w = np.minimum(pv_w, np.maximum(load_w + site.export_limit_w, 0.0))
        room_w = np.maximum(limit_w - (load_w - sure_w) / 3, 0.0)
        no_draw.append(alone_w > limit_w)
        room_w = np.where(no_draw[-1], 0.0, room_w)
        name, least_w = f"{site.id} {phase}", np.full(steps, -np.inf)
        grid.append(Limit(next(numbers), name, limit_w, room_w, least_w))
        most_w.append(np.maximum(limit_w, alone_w))
    return Wires(parents, whole, split, tuple(grid), tuple(most_w), tuple(no_draw))


def _loads_w(site: Site, parents: dict[str, str | None], steps: int) -> dict[str, Floats]:
    """Returns what can't be moved on each circuit and below it, by phase and step."""
    loads_w: dict[str, Floats] = {name: np.zeros((3, steps)) for name in parents}
    for circuit in site.circuits:
        if circuit.load_w:
            own_w = np.array(circuit.load_w)
            name: str | None = circuit.id
            while name is not None:
                loads_w[name] += own_w if len(own_w) == 3 else own_w / 3
                name = parents[name]
    return loads_w


def _limit(number: int, name: str, limit_w: float, load_w: Floats) -> Limit:
    most_w = np.maximum(limit_w - load_w, 0.0)
    return Limit(number, name, limit_w, most_w, np.minimum(-limit_w - load_w, 0.0))
