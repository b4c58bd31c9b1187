"""Takes in which limits stations hold, and what others allow them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from csms.charging.queries import outside_limit_resource
from csms.inquiries.intake import load_inquiries, take_part
from csms.inquiries.rules import InquiryNow
from csms.ledger.batch import Batch, MessageNote
from csms.ledger.bulk import RowKind
from csms.stations.intake import BRIEFS
from models.answers import EMPTY, Answer
from models.facts.held_limits import (
    HeldLimit,
    HeldLimitsReported,
    OutsideLimitCleared,
    OutsideLimitReported,
)
from models.tables.held_limits import HeldLimit as HeldTable
from models.tables.held_limits import OutsideLimit


class HeldRow(msgspec.Struct, frozen=True):
    """One limit in a station's box."""

    station: str
    evse_id: int
    profile_id: int
    source: str
    purpose: str
    stack_level: int
    kind: str
    recurrence: str | None
    valid_from: datetime | None
    valid_to: datetime | None
    ocpp_transaction_id: str | None
    schedules: list[Any]
    told_at: datetime
    gone: bool


class OutsideRow(msgspec.Struct, frozen=True):
    """What somebody else allows a station."""

    station: str
    evse_id: int
    source: str
    grid_critical: bool | None
    local_generation: bool | None
    schedules: list[Any]
    told_at: datetime
    cleared_at: datetime | None


_HELD_KEY = ("station", "evse_id", "profile_id")
_OUTSIDE_KEY = ("station", "evse_id", "source")
HELD = RowKind(
    HeldTable.__table__,
    HeldRow,
    key=_HELD_KEY,
    mutable=[name for name in HeldRow.__struct_fields__ if name not in _HELD_KEY],
)
_OUTSIDE = RowKind(
    OutsideLimit.__table__,
    OutsideRow,
    key=_OUTSIDE_KEY,
    mutable=[name for name in OutsideRow.__struct_fields__ if name not in _OUTSIDE_KEY],
)


class HeldLimitsDecider:
    """A station tells which limits it holds."""

    def load(self, batch: Batch, facts: Sequence[HeldLimitsReported]) -> None:
        """Fetches all that these stations are known to hold, and who has asked."""
        batch.rows(BRIEFS).load(fact.station for fact in facts)
        rows = batch.rows(HELD)
        rows.find(("station",), [fact.station for fact in facts])
        rows.load((f.station, f.evse_id, each.profile_id) for f in facts for each in f.limits)
        load_inquiries(batch, ((fact.station, "limits", fact.request_id) for fact in facts))

    def decide(self, batch: Batch, fact: HeldLimitsReported, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps what is there; what a whole report does not tell is gone."""
        for each in fact.limits:
            batch.rows(HELD).put(_held_row(fact, each, batch.now))
        inquiry = take_part(batch, fact.station, "limits", fact.request_id, last=fact.last)
        if inquiry is not None:
            forget_held(batch, inquiry)
        return EMPTY


class OutsideLimitDecider:
    """A station tells what somebody else allows it, or allows it no longer."""

    def load(
        self, batch: Batch, facts: Sequence[OutsideLimitReported | OutsideLimitCleared]
    ) -> None:
        """Fetches what others allow these stations."""
        batch.rows(BRIEFS).load(fact.station for fact in facts)
        rows = batch.rows(_OUTSIDE)
        rows.find(("station",), [fact.station for fact in facts])
        rows.load((f.station, f.evse_id, f.source) for f in facts if f.evse_id is not None)

    def decide(
        self,
        batch: Batch,
        fact: OutsideLimitReported | OutsideLimitCleared,
        note: MessageNote | None,  # noqa: ARG002
    ) -> Answer:
        """Keeps the newest, and has the site planned anew."""
        if isinstance(fact, OutsideLimitReported):
            changed = [_outside_row(fact, batch.now)]
        else:
            changed = [
                msgspec.structs.replace(row, cleared_at=batch.now)
                for row in batch.rows(_OUTSIDE).group(fact.station)
                if row.source == fact.source
                and row.cleared_at is None
                and fact.evse_id in {None, row.evse_id}
            ]
        station = batch.rows(BRIEFS).get(fact.station)
        assert station is not None  # `Accepted` lets no others through
        for row in changed:
            batch.rows(_OUTSIDE).put(row)
            batch.emit(
                "outside_limit.changed",
                subject=f"station/{fact.station}",
                resource=outside_limit_resource(row),
                site_id=station.site_id,
                tenant=station.tenant_id,
            )
        if changed and station.site_id is not None:
            batch.request_plan(station.site_id, "limit from elsewhere", tenant=station.tenant_id)
        return EMPTY


def forget_held(batch: Batch, inquiry: InquiryNow) -> None:
    """Remembers of what a whole report did not tell that it is not there."""
    rows = batch.rows(HELD)
    for row in rows.group(inquiry.station):
        if not row.gone and row.told_at < inquiry.asked_at:
            rows.put(msgspec.structs.replace(row, gone=True))


def _held_row(fact: HeldLimitsReported, limit: HeldLimit, now: datetime) -> HeldRow:
    values = {name: getattr(limit, name) for name in limit.__struct_fields__ if name != "schedules"}
    return HeldRow(
        station=fact.station,
        evse_id=fact.evse_id,
        source=fact.source,
        schedules=msgspec.to_builtins(limit.schedules),
        told_at=now,
        gone=False,
        **values,
    )


def _outside_row(fact: OutsideLimitReported, now: datetime) -> OutsideRow:
    return OutsideRow(
        station=fact.station,
        evse_id=fact.evse_id,
        source=fact.source,
        grid_critical=fact.grid_critical,
        local_generation=fact.local_generation,
        schedules=msgspec.to_builtins(fact.schedules),
        told_at=now,
        cleared_at=None,
    )
