"""Plants that are dealt by need: what they give goes to who draws, and the rest by fixed shares.

So deals collective self-consumption in France where the members have agreed on nothing else: in
each quarter of an hour in proportion to what they draw. What is dealt here is what the sites of a
plant have of it together; the rest of the plant belongs to others.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncSession

from models.tables.energy import SharedPlant, Site
from models.timeline import parse_rfc3339

FIXED = "fixed"
BY_NEED = "by_need"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Dealing:
    """How a plant is dealt, and to whom."""

    key: str
    site_ids: list[str]


def dealt(parts: Floats, needs: Floats) -> Floats:
    """Returns what each site gets in each step of what they have together.

    Where all need more than there is, it goes in proportion to the needs; where they need less,
    each gets what it needs, and of the rest as much as its part is of all.

    Args:
        parts: by site and step, what each has by fixed shares; not negative.
        needs: by site and step, what each draws; below zero counts as none.
    """
    wanted = np.maximum(needs, 0.0)
    whole, all_wanted = parts.sum(axis=0), wanted.sum(axis=0)
    used = np.minimum(whole, all_wanted)
    with np.errstate(divide="ignore", invalid="ignore"):
        by_need = np.where(all_wanted > 0, wanted / all_wanted, 0.0) * used
        left = np.where(whole > 0, parts / whole, 0.0) * (whole - used)
    result: Floats = by_need + left
    return result


_BY_NEED = (
    sa.select(Site.id, SharedPlant.id)
    .join(SharedPlant, SharedPlant.id == Site.shared_plant_id)
    .where(Site.tenant_id == sa.bindparam("tenant"), SharedPlant.key == BY_NEED)
)


async def plants_by_need(session: AsyncSession, tenant: str) -> dict[str, str]:
    """Returns the plants that are dealt by need now, by the sites that have a part of them."""
    rows = await session.execute(_BY_NEED, {"tenant": tenant})
    return {row[0]: row[1] for row in rows}


async def sites_by_need_at(session: AsyncSession, instant: datetime) -> list[list[str]]:
    """Returns the sites of each plant that was dealt by need at an instant."""
    plants = await session.scalars(sa.select(SharedPlant).order_by(SharedPlant.id))
    found = (dealing_at(plant, instant) for plant in plants)
    return [each.site_ids for each in found if each.key == BY_NEED]


def dealing_at(plant: SharedPlant, instant: datetime) -> Dealing:
    """Returns how a plant was dealt at an instant; before it was there, by its fixed shares."""
    known = [each for each in plant.dealings if parse_rfc3339(each["since"]) <= instant]
    if known:
        return Dealing(known[-1]["key"], known[-1]["site_ids"])
    return Dealing(FIXED, [each["site_id"] for each in plant.shares])
