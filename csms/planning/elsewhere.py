"""Sites whose sun comes from a plant elsewhere, over the grid.

Their part of it is theirs by the bill: what they use of it costs nothing, what they leave is sold.
But it comes through the grid connection as everything else does. So the limit of the connection is
said as a circuit above all that charges, with the building on it, and what is sold is no export.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from csms.planning.queries import Rows
from scheduler.problem import Circuit, Site


def with_shares(sites: Iterable[Site], rows: Rows) -> tuple[Site, ...]:
    """Returns the sites of a planning problem, in the order of `rows.sites`, wired as they are."""
    return tuple(
        site if row.shared_plant_id is None else _from_elsewhere(site)
        for site, row in zip(sites, rows.sites, strict=True)
    )


def _from_elsewhere(site: Site) -> Site:
    top = f"{site.id} (grid connection)"
    # What a plan may have batteries and stores draw is left free: no circuit knows of them.
    stored_w = sum(load.max_power_w for load in site.flexible_loads)
    export_limit_w = site.export_limit_w
    if site.battery is None:
        export_limit_w += max(site.pv_power_w)
    else:
        stored_w += site.battery.max_charge_w
    whole = Circuit(
        top,
        None,
        max(0.0, site.import_limit_w - stored_w),
        phase_limits_w=site.phase_limits_w,
        load_w=(site.load_power_w,),
    )
    return replace(
        site,
        export_limit_w=export_limit_w,
        phase_limits_w=None,
        circuits=(whole, *(replace(each, parent=each.parent or top) for each in site.circuits)),
        evses=tuple(replace(each, circuit=each.circuit or top) for each in site.evses),
    )
