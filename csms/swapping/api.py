"""REST: `/stations/{identity}/battery-swaps` (OCPP 2.1)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import Query
from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from csms.stations.asking import ASKED, ON_21, ask
from csms.swapping.queries import swap_resource
from csms.web.documents import Document, Shown
from csms.web.identity import CallerNow
from csms.web.paging import ListQuery, fetch_page, filtered
from csms.web.reply import reply, reply_page
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.services import services_of
from csms.web.shown import Page
from csms.web.work import Once, Reading
from models.commands.swapping import SwapBattery
from models.tables.stations import Station
from models.tables.swapping import BatterySwap

router = api_router("battery swaps", prefix="/stations")
SwapStep = Literal["BatteryIn", "BatteryOut", "BatteryOutTimeout"]


class NewSwap(Document):
    """A swap that a station is to let somebody make."""

    id_token: Annotated[str, Field(min_length=1, max_length=255)]
    token_type: Annotated[str, Field(min_length=1, max_length=20)] = "ISO14443"  # noqa: S105 - a kind, no secret


class SwapAsked(Shown):
    """What the station said."""

    status: Literal["answered"]
    request_id: int
    """What it repeats in the steps of the swap."""
    response: dict[str, Any]


class BatteryShown(Shown):
    """A battery in a slot of a station."""

    evse_id: int
    """The slot."""
    serial_number: str
    soc_pct: float
    soh_pct: float
    produced_at: str | None
    """As the station writes it."""
    vendor_info: str | None


class BatterySwapShown(Shown):
    """One step of a swap."""

    id: str
    station: str
    request_id: int
    """What the steps of a swap have in common."""
    step: SwapStep
    id_token: str
    token_type: str
    batteries: list[BatteryShown]
    received_at: AwareDatetime


class SwapQuery(ListQuery):
    """Filters of the list of steps; the newest comes first unless `sort` says otherwise."""

    request_id: Annotated[int, Field(ge=-(2**63), le=2**63 - 1)] | None = None
    step: SwapStep | None = None


@router.post(
    "/{identity}/battery-swaps",
    response_model=SwapAsked,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def post_swap(request: Request, _: Once, identity: str, body: NewSwap) -> Response:
    """Have a station let the holder of a token swap a battery, and wait for its answer."""
    # In thousandths of a second, so that two swaps of a station hardly share a number.
    number = int(services_of(request).clock.now().timestamp() * 1000) % 2**31
    command = SwapBattery(request_id=number, id_token=body.id_token, token_type=body.token_type)
    answer = await ask(request, identity, command, ON_21)
    return reply({**answer, "request_id": number})


@router.get(
    "/{identity}/battery-swaps", response_model=Page[BatterySwapShown], dependencies=[may("read")]
)
async def list_swaps(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[SwapQuery, Query()]
) -> Response:
    """List the steps of swaps that a station has told."""
    await find_row(session, Station, identity, caller.tenant)
    statement = sa.select(BatterySwap).where(BatterySwap.station == identity)
    statement = filtered(statement, query, BatterySwap.request_id, BatterySwap.step)
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"id": BatterySwap.id},
        key=(BatterySwap.id,),
        updated=(BatterySwap.received_at,),
        default="-id",
    )
    shown = [caller.shown({"id": str(row.id), **swap_resource(row)}) for row in rows]
    return reply_page(shown, cursor)
