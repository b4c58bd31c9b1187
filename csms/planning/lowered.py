"""Limits that the grid operator sets for a while, as a plan keeps to them.

A problem's limits are the same in every step. What a limit takes away for a while is said as load
of the circuit that it is about, in those steps; one on a whole site becomes a circuit above all
others there, with what building and sun leave by a cautious forecast: the sun that comes in nine
cases of ten, the building that draws more in one of ten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from csms.planning.boxes import Boxes, above, evse_name
from models.tables.energy import Circuit as CircuitRow
from models.tables.grid_limits import GridLimit
from models.tables.stations import Evse
from models.timeline import StepGrid
from scheduler.problem import Circuit, Site

Series = npt.NDArray[np.float64]


def under_grid_limits(
    site: Site,
    limits: Sequence[GridLimit],
    grid: StepGrid,
    boxes: Boxes,
    *,
    circuits: Sequence[CircuitRow],
    evses: Sequence[Evse],
    alone_w: Series,
) -> Site:
    """Returns a site as it is planned under the limits of the grid.

    Args:
        site: as it is without them.
        limits: those of this site.
        grid: of the plan.
        boxes: what can't be planned.
        circuits: of the site, as they are kept.
        evses: of the site.
        alone_w: what the site draws without its cars, cautiously, in W by step.
    """
    parents = {each.id: each.parent for each in circuits}
    unmanaged_w = {each.id: each.unmanaged_load_w for each in circuits}
    most_w = {each.id: each.limit_w for each in site.circuits}
    below = {name: _below(name, evses, parents) for name in parents}
    room_w: dict[str, Series] = {}
    top = f"{site.id} (limit of the grid)"
    for limit in limits:
        first, last = max(0, grid.floor(limit.start)), min(grid.steps, grid.ceil(limit.end))
        if limit.circuit_id is None:
            name, names = top, [evse_name(evse) for evse in evses]
            most_w[top] = sum(each.max_power_w for each in site.evses)
            left_w = boxes.lowered_w(limit.limit_w - alone_w, names)
        elif limit.circuit_id in unmanaged_w:
            name, names = limit.circuit_id, below[limit.circuit_id]
            left_w = boxes.lowered_w(limit.limit_w - unmanaged_w[name] + 0 * alone_w, names)
        else:
            continue  # the circuit is gone, and its limit will be with it
        mine = room_w.setdefault(name, np.full(grid.steps, most_w[name]))
        mine[first:last] = np.minimum(mine[first:last], left_w[first:last])
    taken_w = {name: most_w[name] - each for name, each in room_w.items()}
    if top in taken_w:
        site = _under(site, top, most_w[top], boxes)
    return replace(site, circuits=_loaded(site.circuits, taken_w))


def _under(site: Site, top: str, limit_w: float, boxes: Boxes) -> Site:
    """Puts all that draws at a site below one more circuit."""
    circuits = (replace(each, parent=each.parent or top) for each in site.circuits)
    return replace(
        site,
        circuits=(Circuit(top, None, limit_w), *circuits),
        evses=tuple(
            each
            if each.circuit is not None or each.id in boxes.held_whole
            else replace(each, circuit=top)
            for each in site.evses
        ),
    )


def _loaded(circuits: Sequence[Circuit], taken_w: Mapping[str, Series]) -> tuple[Circuit, ...]:
    """Returns circuits with loads that take so much off each.

    A load counts in all circuits above it, where it is taken off again.
    """
    found: list[Circuit] = []
    for circuit in circuits:
        loads = [taken_w[circuit.id]] if circuit.id in taken_w else []
        loads += [
            -taken_w[each.id]
            for each in circuits
            if each.parent == circuit.id and each.id in taken_w
        ]
        own_w = tuple(sum(loads[1:], loads[0]).tolist()) if loads else ()
        found.append(replace(circuit, load_w=(own_w,)) if own_w else circuit)
    return tuple(found)


def _below(circuit_id: str, evses: Sequence[Evse], parents: Mapping[str, str | None]) -> list[str]:
    return [evse_name(each) for each in evses if circuit_id in above(each.circuit_id, parents)]
