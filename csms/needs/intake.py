"""Takes in what cars want and mean to do.

A car whose transaction we know is told that it is being thought about: what it says of its state of
charge is believed as a reading is, and its site is planned anew. Limits go out as they do for every
other car. A schedule that exceeds our limit is refused, and the site planned anew as well.

Source: OCPP 2.0.1 part 2, K15.FR.03 to 05, K15.FR.09 to 11 and K17.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

import msgspec

from csms.charging.intake.keeping import brief_of, wish_plan
from csms.charging.intake.kinds import TRANSACTIONS
from csms.charging.rules import TransactionState, judge_time
from csms.fleet.intake import MODELS, VEHICLES, change_vehicle, load_vehicles
from csms.fleet.rules import charged
from csms.ledger.batch import Batch, MessageNote
from csms.ledger.bulk import RowKind
from csms.needs.queries import needs_resource, schedule_resource
from csms.needs.rules import exceeds_at
from csms.stations.intake import BRIEFS
from models.answers import Answer, VerdictAnswer
from models.facts.needs import CarScheduleReported, NeedsReported
from models.tables.charging import ChargingLimit
from models.tables.needs import EvNeeds, EvSchedule
from models.timeline import parse_rfc3339


class NeedsRow(msgspec.Struct, frozen=True):
    """What a car wanted."""

    station: str
    evse_id: int
    transaction_id: str | None
    received_at: datetime
    measured_at: datetime
    answer: str
    transfer_mode: str
    departure_at: datetime | None
    energy_wh: float | None
    soc_pct: float | None
    target_soc_pct: float | None
    capacity_wh: float | None
    max_power_w: float | None
    max_discharge_w: float | None
    max_current_a: float | None
    max_voltage_v: float | None
    control_mode: str | None
    max_periods: int | None
    parameters: dict[str, Any]


class ScheduleRow(msgspec.Struct, frozen=True):
    """How a car meant to charge."""

    station: str
    evse_id: int
    transaction_id: str | None
    received_at: datetime
    base_at: datetime
    answer: str
    rate_unit: str
    duration_s: int | None
    schedule_id: int
    selected_id: int | None
    periods: list[Any]
    limit_id: str | None
    exceeds_at: datetime | None


class LimitBrief(msgspec.Struct, frozen=True):
    """What a transaction may take."""

    id: str
    station: str
    ocpp_transaction_id: str
    created_at: datetime
    valid_to: datetime | None
    periods: list[Any]


_NEEDS = RowKind(EvNeeds.__table__, NeedsRow, key=("id",))
_SCHEDULES = RowKind(EvSchedule.__table__, ScheduleRow, key=("id",))
_LIMITS = RowKind(ChargingLimit.__table__, LimitBrief, key=("id",))
_OPEN = "t.stopped_at IS NULL"
_LIVE = "t.purpose = 'transaction' AND t.state NOT IN ('superseded', 'failed')"
_LIMIT_MEMO = "limits of cars that tell their schedules"


class NeedsDecider:
    """A car says what it wants."""

    def load(self, batch: Batch, facts: Sequence[NeedsReported]) -> None:
        """Fetches what runs there, and the cars of it."""
        _load_open(batch, facts)
        running = [_running(batch, fact.station, fact.evse_id) for fact in facts]
        load_vehicles(batch, [each.vehicle_id for each in running if each and each.vehicle_id])

    def decide(self, batch: Batch, fact: NeedsReported, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps it, believes the state of charge, and has the site planned anew."""
        running = _running(batch, fact.station, fact.evse_id)
        measured_at, _ = judge_time(fact.measured_at, fact.received_at)
        told = {
            name: getattr(fact, name)
            for name in NeedsRow.__struct_fields__
            if name not in {"transaction_id", "answer", "measured_at"}
        }
        row = NeedsRow(
            **told,
            transaction_id=running and running.id,
            answer="Rejected" if running is None else "Processing",
            measured_at=measured_at,
        )
        batch.add(_NEEDS, row)
        brief = brief_of(batch, fact)
        batch.emit(
            "ev_needs.reported",
            subject=f"station/{fact.station}",
            resource=needs_resource(cast("Any", row)),
            site_id=brief.site_id,
            tenant=brief.tenant_id,
        )
        if running is None:
            return VerdictAnswer(accepted=False)
        _believe(batch, running, fact.soc_pct, measured_at)
        wish_plan(batch, running, "a car has told what it needs")
        return VerdictAnswer(accepted=True, later=True)


class ScheduleDecider:
    """A car says how it means to charge."""

    def load(self, batch: Batch, facts: Sequence[CarScheduleReported]) -> None:
        """Fetches what runs there, and its limits."""
        _load_open(batch, facts)
        running = [_running(batch, fact.station, fact.evse_id) for fact in facts]
        keys = [(each.station, each.ocpp_transaction_id) for each in running if each]
        # Past the rows that the batch keeps: plans change limits, and nobody tells the ledger.
        found = _LIMITS.fetch(batch.driver, ("station", "ocpp_transaction_id"), keys, _LIVE)
        newest: dict[tuple[str, str], LimitBrief] = {}
        for each in sorted(found, key=lambda limit: (limit.created_at, limit.id)):
            newest[each.station, each.ocpp_transaction_id] = each
        batch.memo[_LIMIT_MEMO] = newest

    def decide(self, batch: Batch, fact: CarScheduleReported, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps it, and compares it with the limit of the transaction."""
        running = _running(batch, fact.station, fact.evse_id)
        limit: LimitBrief | None = None
        if running is not None:
            key = (running.station, running.ocpp_transaction_id)
            limit = batch.memo[_LIMIT_MEMO].get(key)
        beyond = None if limit is None else _beyond(fact, limit)
        row = ScheduleRow(
            station=fact.station,
            evse_id=fact.evse_id,
            transaction_id=running and running.id,
            received_at=fact.received_at,
            base_at=fact.base_at,
            answer="Accepted" if beyond is None else "Rejected",
            rate_unit=fact.rate_unit,
            duration_s=fact.duration_s,
            schedule_id=fact.schedule_id,
            selected_id=fact.selected_id,
            periods=[{"start_s": each.start_s, "limit_w": each.limit_w} for each in fact.periods],
            limit_id=limit and limit.id,
            exceeds_at=beyond,
        )
        batch.add(_SCHEDULES, row)
        brief = brief_of(batch, fact)
        batch.emit(
            "ev_schedule.reported",
            subject=f"station/{fact.station}",
            resource=schedule_resource(cast("Any", row)),
            site_id=brief.site_id,
            tenant=brief.tenant_id,
        )
        if beyond is not None and running is not None:
            wish_plan(batch, running, "a car means to take more than it may")
        return VerdictAnswer(accepted=beyond is None)


def _load_open(
    batch: Batch, facts: Sequence[NeedsReported] | Sequence[CarScheduleReported]
) -> None:
    batch.rows(BRIEFS).load(fact.station for fact in facts)
    stations = sorted({fact.station for fact in facts})
    batch.rows(TRANSACTIONS).find(("station",), stations, _OPEN)


def _running(batch: Batch, station: str, evse_id: int) -> TransactionState | None:
    """Returns the transaction that runs at an EVSE, the newest if there seem to be several."""
    found = [
        each
        for each in batch.rows(TRANSACTIONS).group(station)
        if each.evse_id == evse_id and each.stopped_at is None
    ]
    return max(found, key=lambda each: each.started_at, default=None)


def _believe(batch: Batch, running: TransactionState, soc_pct: float | None, at: datetime) -> None:
    vehicle = running.vehicle_id and batch.rows(VEHICLES).peek(running.vehicle_id)
    if not vehicle or soc_pct is None:
        return
    model = batch.rows(MODELS).peek(vehicle.model_id)
    after = charged(vehicle, model, soc_pct=soc_pct, energy_wh=0.0, at=at, now=batch.now)
    change_vehicle(batch, vehicle, after)


def _beyond(fact: CarScheduleReported, limit: LimitBrief) -> datetime | None:
    limits = [(parse_rfc3339(each["from_at"]), float(each["limit_w"])) for each in limit.periods]
    return exceeds_at(fact.periods, fact.base_at, limits, limit.valid_to)
