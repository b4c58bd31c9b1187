"""What series of a site have in common at the door: steps, site, filters of lists."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from csms.web.documents import Instant
from csms.web.paging import ListQuery
from csms.web.problem import bad_field
from csms.web.rows import find_row
from csms.web.work import Work
from models.errors import NotFound
from models.tables.energy import Site

STEPS_MAX = 2 * 366 * 24
StepMinutes = Literal[1, 5, 10, 15, 20, 30, 60]


class PeriodQuery(ListQuery):
    """A period of time, half open."""

    model_config = ConfigDict(populate_by_name=True)

    since: Instant | None = Field(default=None, alias="from")
    until: Instant | None = Field(default=None, alias="to")


class SeriesQuery(PeriodQuery):
    """Series of one site that were issued in a period; the newest comes first."""

    site_id: str | None = None


async def site_of(work: Work, site_id: str) -> Site:
    """Returns the site that a series is of.

    Raises:
        BadInput: naming `/site_id`, if there is none.
    """
    try:
        return await find_row(work.session, Site, site_id, work.tenant)
    except NotFound as missing:
        raise bad_field("/site_id", missing.detail) from None
