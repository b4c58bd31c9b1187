"""Changes of checks, and the orders that their steps mean.

The limit that a check tries is a row of `charging_limit` like those of plans where it is for a
transaction: who watches limits watches it, and the next plan sees that the box holds something else
than the plan before has sent. It ends by itself after a while, whatever becomes of us.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from csms.checks.queries.checks import Place, check_resource, running_check, was_replaced
from csms.checks.rules.methods import Method
from csms.ledger.work import UnitOfWork
from csms.planning.rules import TRIAL, Period, is_trial, read_periods
from csms.stations.actions import announce_station
from csms.stations.rules import PLAN_STACK_LEVEL, plan_profile_id
from csms.web.problem import bad_field
from csms.web.rows import change_row
from models.commands import ClearLimit, LimitPeriod, SetLimit
from models.errors import Conflict
from models.states import STATION_CHECK, StationCheckState, allowed
from models.tables.charging import ChargingLimit
from models.tables.checks import StationCheck
from models.tables.stations import Evse, Station

HELD_FOR = timedelta(minutes=10)
"""How long a box keeps the limit of a check if nobody takes it back."""


@dataclass(frozen=True, slots=True)
class Held:
    """The limit of a check in a box."""

    place: Place
    """As it was before."""
    method: Method
    limit: ChargingLimit | None
    """Its row; None where it is for no transaction."""


async def start_check(
    work: UnitOfWork, station: Station, *, evse_id: int, limit_w: float | None, apply: bool
) -> StationCheck:
    """Writes down that a station is to be checked; a keeper does it.

    Raises:
        BadInput: for an EVSE that the station does not have.
        Conflict: `check-running`.
    """
    await work.take_turn(f"checks of {station.identity}")
    if await work.session.get(Evse, (station.identity, evse_id)) is None:
        raise bad_field("/evse_id", f"the station {station.identity} has no EVSE {evse_id}")
    other = await running_check(work.session, station.identity)
    if other is not None:
        detail = f"the check {other.id} of {station.identity} is not over"
        raise Conflict(detail, code="check-running")
    row = StationCheck(
        id=work.ids.new(),
        tenant_id=work.tenant,
        station=station.identity,
        evse_id=evse_id,
        limit_w=limit_w,
        apply=apply,
        state="running",
        steps=[],
        findings=[],
        applied=[],
        created_at=work.now,
        version=1,
        updated_at=work.now,
    )
    work.session.add(row)
    await work.session.flush()
    announce_check(work, "station_check.requested", row, station.site_id)
    return row


def end_check(
    work: UnitOfWork,
    row: StationCheck,
    state: StationCheckState,
    *,
    site_id: str | None,
    why: str | None = None,
) -> None:
    """Writes down that a check is over."""
    assert allowed(STATION_CHECK, row.state, state), (row.state, state)
    change_row(work, row, {"state": state, "why": why, "ended_at": work.now})
    announce_check(work, "station_check.ended", row, site_id)


def announce_check(work: UnitOfWork, event: str, row: StationCheck, site_id: str | None) -> None:
    """Says what became true of a check."""
    subject = f"station_check/{row.id}"
    work.emit(event, subject=subject, resource=check_resource(row), site_id=site_id)


async def add_quirks(work: UnitOfWork, station: Station, quirks: Sequence[str]) -> None:
    """Puts quirks on a station's record, as an operator does.

    What a plan has sent in the old manner counts no more, so that the next one sends it in the new.
    """
    change_row(work, station, {"quirks": sorted({*station.quirks, *quirks})})
    await work.session.execute(
        sa.update(ChargingLimit)
        .where(
            ChargingLimit.station == station.identity,
            ChargingLimit.purpose == "transaction",
            ChargingLimit.state.in_(("queued", "sent", "accepted", "obeyed", "unknown")),
        )
        .values(state="superseded", detail="to be sent in another manner")
    )
    await announce_station(work, "station.updated", station)
    if station.site_id is not None:
        work.request_plan(station.site_id, "station changed")


def trial_limit(now: datetime, place: Place, limit_w: float, method: Method) -> SetLimit:
    """Returns the order by which a check limits an EVSE from now on, said in one way."""
    return _order(place, (Period(now, limit_w),), HELD_FOR, method)


def keep_trial(
    work: UnitOfWork, place: Place, limit_w: float, command_id: str
) -> ChargingLimit | None:
    """Adds the row of a check's limit, where it is for a transaction."""
    if place.transaction is None:
        return None
    periods = (Period(work.now, limit_w, (TRIAL,)),)
    return _add_row(work, place, periods, HELD_FOR, command_id, plan_id=None)


async def order_back(
    session: AsyncSession, held: Held, now: datetime
) -> SetLimit | ClearLimit | None:
    """Returns the order that brings a box back to what it held; None where a plan has done so.

    The rest of the plan's own limit is sent again, in the same way as the check's was. Where there
    was none, the check's is cleared, and the safe limit below it holds again.
    """
    if held.limit is not None and await was_replaced(session, held.limit, soon=True):
        return None
    before = _rest_of(held.place, now)
    if before is None:
        return ClearLimit(profile_id=plan_profile_id(held.place.evse.evse_id))
    return _order(held.place, *before, held.method)


async def keep_back(work: UnitOfWork, held: Held, command_id: str) -> None:
    """Writes down that a box is brought back, and asks for a new plan all the same."""
    place = held.place
    await forget_trials(work, place.station.identity, place.station.site_id)
    before = _rest_of(place, work.now)
    if before is not None and place.plan is not None:
        _add_row(work, place, *before, command_id, plan_id=place.plan.plan_id)


async def put_back(work: UnitOfWork, held: Held) -> None:
    """Brings a box back without waiting for its word."""
    order = await order_back(work.session, held, work.now)
    station = held.place.station
    if order is None:
        await forget_trials(work, station.identity, station.site_id)
    else:
        command_id = work.order(order, station=station.identity, origin="rule")
        await keep_back(work, held, command_id)


async def forget_trials(work: UnitOfWork, identity: str, site_id: str | None) -> None:
    """Counts on no limit of a check any more, and asks for a plan that sends its own."""
    query = sa.select(ChargingLimit).where(
        ChargingLimit.station == identity,
        ChargingLimit.plan_id.is_(None),
        ChargingLimit.purpose == "transaction",
        ChargingLimit.state.in_(("queued", "sent", "accepted", "obeyed", "unknown")),
    )
    for row in await work.session.scalars(query):
        if is_trial(read_periods(row.periods)):
            row.state = "superseded"
            row.detail = "the check is over"
    if site_id is not None:
        work.request_plan(site_id, "station checked")


def _rest_of(place: Place, now: datetime) -> tuple[tuple[Period, ...], timedelta] | None:
    """Returns what is left of a plan's limit, and how long it lasts."""
    plan = place.plan
    if plan is None or plan.valid_to is None or plan.valid_to - now < timedelta(seconds=1):
        return None
    periods = read_periods(plan.periods)
    begun = [each for each in periods if each.from_at <= now]
    if not begun:
        return None
    later = [each for each in periods if each.from_at >= now + timedelta(seconds=1)]
    return (replace(begun[-1], from_at=now), *later), plan.valid_to - now


def _order(place: Place, periods: Sequence[Period], lasts: timedelta, method: Method) -> SetLimit:
    start, transaction, evse_id = periods[0].from_at, place.transaction, place.evse.evse_id
    return SetLimit(
        evse_id=evse_id,
        purpose="default" if transaction is None else "transaction",
        ocpp_transaction_id=transaction and transaction.ocpp_transaction_id,
        profile_id=plan_profile_id(evse_id),
        stack_level=PLAN_STACK_LEVEL,
        periods=tuple(
            LimitPeriod(int((each.from_at - start).total_seconds()), each.limit_w)
            for each in periods
        ),
        duration_s=int(lasts.total_seconds()),
        start_at=start,
        tx_started_at=transaction and transaction.started_at,
        phases=place.evse.phases,
        quirks=method,
    )


def _add_row(
    work: UnitOfWork,
    place: Place,
    periods: Sequence[Period],
    lasts: timedelta,
    command_id: str,
    *,
    plan_id: str | None,
) -> ChargingLimit:
    assert place.transaction is not None
    row = ChargingLimit(
        id=work.ids.new(),
        tenant_id=work.tenant,
        plan_id=plan_id,
        site_id=place.station.site_id or "",
        station=place.station.identity,
        evse_id=place.evse.evse_id,
        ocpp_transaction_id=place.transaction.ocpp_transaction_id,
        purpose="transaction",
        created_at=work.now,
        valid_to=work.now + lasts,
        periods=[each.document() for each in periods],
        state="queued",
        command_id=command_id,
    )
    work.session.add(row)
    return row
